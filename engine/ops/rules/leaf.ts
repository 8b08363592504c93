import { defineOp, PRIVATE } from '../rule.ts'

/**
 * The value itself, under a name that simplifications do not look behind: partial derivatives are taken by it. Without it, a reshape of an
 * input inside an expansion becomes a reshape of what the input was made from, and the input is no longer on the way. Lowered to nothing.
 */
export const Leaf = defineOp({
  type: 'Leaf',
  domain: PRIVATE,
  since: 1,
  attrs: {},
  infer: ({ x: [x] }) => [{ dtype: x.dtype, shape: x.shape }],
  grad: ({ dy: [dy] }) => [dy],
  expand: ({ x: [x] }) => [x],
  cost: () => 0,
  channels: ({ x: [x] }) => x.shape.map((_, i) => ({ a: ['x0', i] as const, b: ['y0', i] as const })),
  examples: [{ x: [[2, 3]] }],
})
