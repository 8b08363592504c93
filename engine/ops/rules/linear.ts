import { broadcast, showShape } from '../../ir/index.ts'
import { float, int } from '../attrs.ts'
import { defineOp, type Tie } from '../rule.ts'
import type { Tensor } from '../tensor.ts'

const product = (list: readonly number[]) => list.reduce((n, d) => n * d, 1)

/** Matrix product over the last two axes, the others broadcast. Spec: onnx MatMul-13, numpy.matmul. */
export const MatMul = defineOp({
  type: 'MatMul',
  since: 9,
  attrs: {},
  infer({ x: [p, q], fail }) {
    if (p.shape.length === 0 || q.shape.length === 0) fail('a scalar cannot be multiplied as a matrix')
    const a = p.shape.length === 1 ? [1, ...p.shape] : [...p.shape]
    const b = q.shape.length === 1 ? [...q.shape, 1] : [...q.shape]
    if (a.at(-1) !== b.at(-2)) fail(`inner sizes differ: ${showShape(p.shape)} by ${showShape(q.shape)}`)
    const lead =
      broadcast(a.slice(0, -2), b.slice(0, -2)) ??
      fail(`batch axes do not broadcast: ${showShape(p.shape)} by ${showShape(q.shape)}`)
    const shape = [...lead, ...(p.shape.length === 1 ? [] : [a.at(-2)!]), ...(q.shape.length === 1 ? [] : [b.at(-1)!])]
    return [{ dtype: p.dtype, shape }]
  },
  // dA = dC B', dB = A' dC; vectors are treated as one-row and one-column matrices.
  grad({ x: [p, q], dy: [dy], need }) {
    // A batch times one matrix is one product over all rows; its gradients are too, instead of a product for each of the batch and their sum.
    if (q.rank === 2 && p.rank > 2) {
      const rows = (t: Tensor) => t.reshape([t.size / t.shape.at(-1)!, t.shape.at(-1)!])
      const [x, d] = [rows(p), rows(dy)]
      return [need[0] ? d.gemm(q, { transB: true }).reshape(p.shape) : null, need[1] ? x.gemm(d, { transA: true }) : null]
    }
    const a = p.rank === 1 ? p.unsqueeze([0]) : p
    const b = q.rank === 1 ? q.unsqueeze([1]) : q
    let d = dy
    if (p.rank === 1 && q.rank === 1) d = d.reshape([1, 1])
    else if (p.rank === 1) d = d.unsqueeze([d.rank - 1])
    else if (q.rank === 1) d = d.unsqueeze([d.rank])
    const da = need[0] ? d.matmul(b.T).sumTo(a.shape).reshape(p.shape) : null
    const db = need[1] ? a.T.matmul(d).sumTo(b.shape).reshape(q.shape) : null
    return [da, db]
  },
  cost: ({ x: [p], y: [y] }) => 2 * product(y.shape) * p.shape.at(-1)!,
  channels: ({ x: [p, q], y: [y] }): Tie[] =>
    q.shape.length === 2 && p.shape.length >= 2
      ? [
          { a: ['x0', p.shape.length - 1], b: ['x1', 0] },
          { a: ['x1', 1], b: ['y0', y.shape.length - 1] },
          ...p.shape.slice(0, -1).map((_, i): Tie => ({ a: ['x0', i], b: ['y0', i] })),
        ]
      : [],
  quant: { inputs: [0, 1], weight: { input: 1, axis: 1 } },
  examples: [
    {
      x: [
        [3, 4],
        [4, 2],
      ],
    },
    {
      x: [
        [2, 1, 3, 4],
        [5, 4, 2],
      ],
    },
    {
      x: [
        [2, 3, 4],
        [4, 2],
      ],
    },
    { x: [[4], [4, 3]] },
    { x: [[2, 3, 4], [4]] },
    { x: [[4], [4]] },
  ],
})

/** y = alpha A' B' + beta C, with optional transposes. Spec: onnx Gemm-13. */
export const Gemm = defineOp({
  type: 'Gemm',
  since: 11,
  attrs: { alpha: float(1), beta: float(1), transA: int(0), transB: int(0) },
  infer({ x: [p, q], a, opt, fail }) {
    if (p.shape.length !== 2 || q.shape.length !== 2)
      fail(`expected matrices, found ${showShape(p.shape)} and ${showShape(q.shape)}`)
    const [m, k] = a.transA ? [p.shape[1]!, p.shape[0]!] : [p.shape[0]!, p.shape[1]!]
    const [k2, n] = a.transB ? [q.shape[1]!, q.shape[0]!] : [q.shape[0]!, q.shape[1]!]
    if (k !== k2) fail(`inner sizes differ: ${k} and ${k2}`)
    const c = opt(2)
    if (c && broadcast(c.shape, [m, n])?.join() !== `${m},${n}`)
      fail(`C of shape ${showShape(c.shape)} does not broadcast to [${m}, ${n}]`)
    return [{ dtype: p.dtype, shape: [m, n] }]
  },
  grad({ x: [p, q], dy: [dy], a, need, opt }) {
    const { alpha } = a
    const transA = a.transA !== 0
    const transB = a.transB !== 0
    const da = transA ? q.gemm(dy, { transA: transB, transB: true, alpha }) : dy.gemm(q, { transB: !transB, alpha })
    const db = transB ? dy.gemm(p, { transA: true, transB: transA, alpha }) : p.gemm(dy, { transA: !transA, alpha })
    const c = opt(2)
    return [need[0] ? da : null, need[1] ? db : null, c && need[2] ? (a.beta === 1 ? dy : dy.mul(a.beta)).sumTo(c.shape) : null]
  },
  cost: ({ x: [p], y: [y], a }) => 2 * product(y.shape) * p.shape[a.transA ? 0 : 1]!,
  channels: ({ a, x: [, , c] }) => [
    { a: ['x0', a.transA ? 0 : 1], b: ['x1', a.transB ? 1 : 0] },
    { a: ['x1', a.transB ? 0 : 1], b: ['y0', 1] },
    { a: ['x0', a.transA ? 1 : 0], b: ['y0', 0] },
    ...(c && c.shape.length > 0 && c.shape.at(-1) !== 1
      ? [{ a: ['x1', a.transB ? 0 : 1], b: ['x2', c.shape.length - 1] } as Tie]
      : []),
  ],
  quant: { inputs: [0, 1], weight: { input: 1, axis: 1 } },
  examples: [
    { x: [[3, 4], [4, 2], [2]] },
    {
      x: [
        [4, 3],
        [2, 4],
        [3, 1],
      ],
      a: { transA: 1, transB: 1, alpha: 0.5, beta: 2 },
    },
    {
      x: [
        [3, 4],
        [2, 4],
      ],
      a: { transB: 1 },
    },
    { x: [[4, 3], [4, 2], []], a: { transA: 1 } },
  ],
})
