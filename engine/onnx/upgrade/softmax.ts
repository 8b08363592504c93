import { axisOf, getInt, intAttr } from '../../ir/index.ts'
import type { Rule, Rules } from './context.ts'

/**
 * Before opset 13 the input was made a matrix, split at `axis` (default 1), and each row taken as a whole; from 13 on one
 * axis (default -1) is taken. The two agree where everything after the axis has one element; else the matrix is made here.
 */
const coerced: Rule = (node, c) => {
  const attribute = node.attrs.get('axis')
  if (attribute?.type === 'ref') return 'its axis is a function attribute'
  const axis = getInt(node, 'axis', 1)
  const x = node.inputs[0]!
  const { rank, shape } = c.fact(x)
  const last = axis === -1 || (rank !== undefined && axisOf(axis, rank) === rank - 1)
  const single = shape && rank !== undefined && shape.slice(axisOf(axis, rank) + 1).every((d) => d === 1)
  if (last || single) {
    node.attrs.set('axis', intAttr(last ? -1 : axis))
    return undefined
  }
  const [flatten, matrix] = c.make('Flatten', [x], { axis: intAttr(axis) })
  const [shapeNode, dims] = c.make('Shape', [x])
  const [reshape] = c.make('Reshape', [c.fresh('rows'), dims])
  const y = node.outputs[0]!
  node.inputs = [matrix]
  node.outputs = [reshape.inputs[0]!]
  node.attrs.set('axis', intAttr(-1))
  reshape.outputs = [y]
  return [flatten, node, shapeNode, reshape]
}

export const softmaxRules: Rules = { 13: { Softmax: coerced, LogSoftmax: coerced, Hardmax: coerced } }
