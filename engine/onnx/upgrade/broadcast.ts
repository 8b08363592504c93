import { getInt } from '../../ir/index.ts'
import type { Rule, Rules } from './context.ts'

/**
 * Before opset 7 the second operand was laid over the first from `axis` on, and only with `broadcast=1`. NumPy's rule aligns
 * at the end, so the operand gets trailing axes of size 1.
 */
const legacyBroadcast: Rule = (node, c) => {
  const axis = node.attrs.has('axis') ? getInt(node, 'axis', 0) : undefined
  const on = getInt(node, 'broadcast', 0) === 1
  node.attrs.delete('axis')
  node.attrs.delete('broadcast')
  if (!on || axis === undefined) return undefined
  const [a, b] = [node.inputs[0]!, node.inputs[1]!]
  const [ra, rb] = [c.rank(a), c.rank(b)]
  if (ra === undefined || rb === undefined) return `it broadcasts from axis ${axis}, and the ranks of its inputs are not known`
  const from = axis < 0 ? axis + ra : axis
  const trailing = ra - from - rb
  if (trailing <= 0) return undefined
  const axes = Array.from({ length: trailing }, (_, i) => rb + i)
  const [unsqueeze, wide] = c.make('Unsqueeze', [b], { axes: { type: 'ints', value: axes } })
  node.inputs = [a, wide]
  return [unsqueeze, node]
}

/** PRelu's slope of one number a channel was laid along axis 1. */
const slopeToChannels: Rule = (node, c) => {
  const [x, slope] = [node.inputs[0]!, node.inputs[1]!]
  const rank = c.rank(x)
  const fact = c.fact(slope)
  if (fact.rank === 0 || (fact.rank === 1 && fact.shape?.[0] === 1)) return undefined
  if (rank === undefined || fact.rank === undefined) return 'the ranks of its input and slope are not known'
  if (fact.rank !== 1 || rank <= 2) return undefined
  const axes = Array.from({ length: rank - 2 }, (_, i) => 1 + i)
  const [unsqueeze, wide] = c.make('Unsqueeze', [slope], { axes: { type: 'ints', value: axes } })
  node.inputs = [x, wide]
  return [unsqueeze, node]
}

const dropBroadcast: Rule = (node) => {
  node.attrs.delete('broadcast')
  return undefined
}

const OPERATORS = ['Add', 'Sub', 'Mul', 'Div', 'Pow', 'And', 'Or', 'Xor', 'Equal', 'Greater', 'Less']

export const broadcastRules: Rules = {
  7: { ...Object.fromEntries(OPERATORS.map((op) => [op, legacyBroadcast])), PRelu: slopeToChannels, Gemm: dropBroadcast },
}
