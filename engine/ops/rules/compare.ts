import { sizeOf, type DataType } from '../../ir/index.ts'
import { int } from '../attrs.ts'
import { defineOp, type Example } from '../rule.ts'
import { where } from '../tensor.ts'
import { asIs, beforeExpand, broadcastAll, broadcastTies, elementwise, unary } from '../support/elementwise.ts'
import { broadcastIndex, gatherParts, isPlain, uniform } from '../support/values.ts'

const flags = (...shape: number[]) => ({ shape, dtype: 'bool' as DataType })
const FLOATS: readonly Example[] = [
  { x: [[2, 3], [3]] },
  // Equal values tell >= from >.
  {
    x: [
      { shape: [4], values: [0, 1, 2, -1] },
      { shape: [4], values: [0, 2, 1, -1] },
    ],
  },
]
const FLAGS: readonly Example[] = [{ x: [flags(2, 3), flags(3)] }]

const test = (type: string, since: number, examples: readonly Example[], value: (p: number, q: number) => boolean) =>
  elementwise(type, { since, dtype: 'bool', flops: 1, grad: 'zero', value: ([p, q]) => (value(p!, q!) ? 1 : 0), examples })

export const Equal = test('Equal', 13, FLOATS, (p, q) => p === q)
export const Greater = test('Greater', 13, FLOATS, (p, q) => p > q)
export const Less = test('Less', 13, FLOATS, (p, q) => p < q)
export const GreaterOrEqual = test('GreaterOrEqual', 16, FLOATS, (p, q) => p >= q)
export const LessOrEqual = test('LessOrEqual', 16, FLOATS, (p, q) => p <= q)
export const And = test('And', 7, FLAGS, (p, q) => p !== 0 && q !== 0)
export const Or = test('Or', 7, FLAGS, (p, q) => p !== 0 || q !== 0)
export const Xor = test('Xor', 7, FLAGS, (p, q) => (p !== 0) !== (q !== 0))
export const Not = unary('Not', { since: 1, flops: 1, grad: 'zero', value: (v) => (v ? 0 : 1), examples: [{ x: [flags(2, 3)] }] })
export const IsNaN = unary('IsNaN', { dtype: 'bool', flops: 1, grad: 'zero' })
export const IsInf = unary('IsInf', {
  since: 10,
  attrs: { detect_negative: int(1), detect_positive: int(1) },
  dtype: 'bool',
  flops: 1,
  grad: 'zero',
})

/** y = condition ? a : b. */
export const Where = defineOp({
  type: 'Where',
  since: 16,
  attrs: {},
  infer({ x, fail }) {
    const [c, p, q] = x
    if (c.dtype !== 'bool') fail(`the condition must be bool, found ${c.dtype}`)
    if (p.dtype !== q.dtype) fail(`element types differ: ${p.dtype} and ${q.dtype}`)
    return [{ dtype: p.dtype, shape: broadcastAll([c, p, q], fail) }]
  },
  grad: ({ x: [c], dy: [dy], need }) => [null, need[1] ? where(c, dy, 0) : null, need[2] ? where(c, 0, dy) : null],
  fold({ x: [c, p, q], y: [y] }) {
    if (!c || !p || !q || !isPlain(p.dtype)) return undefined
    const [at, ap, aq] = [c, p, q].map((t) => broadcastIndex(t.dims, y!.shape)) as [Int32Array, Int32Array, Int32Array]
    const [test, yes, no] = [c.data, p.data, q.data]
    return [gatherParts(y!.dtype, y!.shape, (i) => (test[at[i]!] ? [yes, ap[i]!] : [no, aq[i]!]))]
  },
  simplify(ctx) {
    const [c, p, q] = ctx.x
    const known = uniform(c)
    const chosen = known === undefined ? (p === q ? p : undefined) : known ? p : q
    return (chosen && asIs(chosen, ctx.y[0]!)) ?? beforeExpand('Where', ctx)
  },
  cost: ({ y: [y] }) => sizeOf(y.shape),
  channels: ({ x, y: [y] }) => broadcastTies(x, y),
  examples: [{ x: [flags(2, 3), [2, 3], [3]] }, { x: [flags(3), [2, 1], { shape: [], values: [0] }] }],
})

/** y = min(max(x, lo), hi); both bounds are optional scalars. Inside, the gradient goes to x; outside, to the bound. */
export const Clip = defineOp({
  type: 'Clip',
  since: 13,
  attrs: {},
  infer({ x: [x], opt, fail }) {
    for (const i of [1, 2]) {
      const bound = opt(i)
      if (bound && bound.dtype !== x.dtype) fail(`bound of type ${bound.dtype} for an input of type ${x.dtype}`)
      if (bound && sizeOf(bound.shape) !== 1) fail(`a bound must be a scalar`)
    }
    return [{ dtype: x.dtype, shape: x.shape }]
  },
  grad({ x: [x], dy: [dy], opt, need }) {
    const [lo, hi] = [opt(1), opt(2)]
    const masks = [lo && x.greaterOrEqual(lo).like(x), hi && x.lessOrEqual(hi).like(x)].filter((m) => m !== undefined)
    // y = min(max(x, lo), hi): the upper bound wins where they cross.
    const below = lo && need[1] ? where(x.less(lo), dy, 0).sum().reshape(lo.shape) : null
    return [
      masks.reduce((d, m) => d.mul(m), dy),
      below && hi ? below.mul(lo!.lessOrEqual(hi).like(x)) : below,
      hi && need[2]
        ? where((lo ? x.maximum(lo) : x).greater(hi), dy, 0)
            .sum()
            .reshape(hi.shape)
        : null,
    ]
  },
  simplify: ({ x }) => (x.slice(1).every((t) => t === undefined) ? x[0] : undefined),
  cost: ({ y: [y] }) => 2 * sizeOf(y.shape),
  channels: ({ x: [x], y: [y] }) => broadcastTies([x], y),
  examples: [
    { x: [[2, 3], { shape: [], values: [-0.5] }, { shape: [], values: [0.75] }], away: [-0.5, 0.75] },
    { x: [[2, 3], null, { shape: [], values: [0.5] }], away: [0.5] },
    {
      x: [
        { shape: [8], distinct: true },
        { shape: [], range: [-1.65, -1.6] },
        { shape: [], range: [1.4, 1.5] },
      ],
    },
    {
      x: [
        { shape: [8], distinct: true },
        { shape: [], range: [0.45, 0.5] },
        { shape: [], range: [-0.5, -0.45] },
      ],
    },
    { x: [[4]] },
  ],
})
