import { getFloat, getInt, intAttr, TensorData } from '../../ir/index.ts'
import { setInputs, type Rule, type Rules } from './context.ts'

/** Up to opset 6 `is_test` chose the mode; from 7 on the number of outputs did. */
const batchNorm7: Rule = (node) => {
  const test = getInt(node, 'is_test', 0) !== 0
  node.attrs.delete('is_test')
  if (test) node.outputs = node.outputs.slice(0, 1)
  return undefined
}

const batchNorm9: Rule = (node) => {
  if (getInt(node, 'spatial', 1) === 0) return 'statistics per position (spatial=0) left the standard with opset 9'
  node.attrs.delete('spatial')
  return undefined
}

/** From 14 on an attribute chooses the mode, and the batch's own statistics are no outputs any more. */
const batchNorm14: Rule = (node) => {
  const [y, mean, variance, ...saved] = node.outputs
  if (saved.some(Boolean)) return 'it outputs the saved mean and variance, which left the standard with opset 14'
  if (!mean && !variance) return undefined
  node.outputs = [y!, mean ?? '', variance ?? '']
  node.attrs.set('training_mode', intAttr(1))
  return undefined
}

/** Scale and bias went from one number a group to one a channel. */
const groupNorm: Rule = (node, c) => {
  const groups = getInt(node, 'num_groups', 0)
  const [x, scale, bias] = node.inputs as [string, string, string]
  if (node.attrs.get('num_groups')?.type === 'ref') return 'its number of groups is a function attribute'
  const [shape, channels] = c.make('Shape', [x], { start: intAttr(1), end: intAttr(2) })
  const [div, perGroup] = c.make('Div', [channels, c.ints('groups', [groups])])
  const [concat, target] = c.make('Concat', [c.ints('one', [1]), perGroup], { axis: intAttr(0) })
  const before = [shape, div, concat]
  const perChannel = (value: string): string => {
    const [column, wide] = c.make('Unsqueeze', [value, c.ints('axis', [1])])
    const [expand, table] = c.make('Expand', [wide, target])
    const [reshape, out] = c.make('Reshape', [table, c.ints('flat', [-1])])
    before.push(column, expand, reshape)
    return out
  }
  node.inputs = [x, perChannel(scale), perChannel(bias)]
  return [...before, node]
}

/** Inference was the only mode from 7 to 11; before, `is_test` could ask for it, and ONNX Runtime always assumed it. */
const dropout7: Rule = (node) => {
  node.attrs.delete('is_test')
  return undefined
}

const dropoutMask: Rule = (node) => {
  if (node.outputs[1]) return 'it outputs its mask, whose type changed with opset 10'
  node.outputs = node.outputs.slice(0, 1)
  return undefined
}

const dropoutRatio: Rule = (node, c) => {
  if (node.attrs.get('ratio')?.type === 'ref') setInputs(node, [node.inputs[0], c.attributeToInput(node, 'ratio', () => undefined)])
  else {
    const ratio = getFloat(node, 'ratio', 0.5)
    node.attrs.delete('ratio')
    setInputs(node, [node.inputs[0], c.constant('ratio', TensorData.scalar('float32', ratio))])
  }
  return undefined
}

export const normalizationRules: Rules = {
  7: { BatchNormalization: batchNorm7, Dropout: dropout7 },
  9: { BatchNormalization: batchNorm9 },
  10: { Dropout: dropoutMask },
  12: { Dropout: dropoutRatio },
  14: { BatchNormalization: batchNorm14 },
  21: { GroupNormalization: groupNorm },
}
