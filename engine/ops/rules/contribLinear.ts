import { broadcast, sameShape, showShape, sizeOf } from '../../ir/index.ts'
import { float, floats, int, string } from '../attrs.ts'
import { defineOp, type Example } from '../rule.ts'
import type { Tensor } from '../tensor.ts'
import { activate } from '../support/activation.ts'
import { MICROSOFT } from '../support/contrib.ts'
import { convAttrs, geometry } from '../support/spatial.ts'
import { Gemm } from './linear.ts'

const fusedMatMulAttrs = { alpha: float(1), transA: int(0), transB: int(0), transBatchA: int(0), transBatchB: int(0) }

/** Axes of an operand in the order in which it is multiplied: `batch` moves the first axis behind the batch axes, `last` swaps the last two. */
function operandPerm(rank: number, last: number, batch: number): number[] {
  const perm = Array.from({ length: rank }, (_, i) => i)
  if (rank < 2) return perm
  if (batch) perm.splice(rank - 2, 0, perm.shift()!)
  if (last) perm.push(...perm.splice(rank - 2, 1))
  return perm
}

const fusedMatMul = (type: string, examples: readonly Example[]) =>
  defineOp({
    type,
    domain: MICROSOFT,
    since: 1,
    attrs: fusedMatMulAttrs,
    infer({ x: [p, q], a, fail }) {
      const turned = (s: readonly number[], last: number, batch: number) => operandPerm(s.length, last, batch).map((i) => s[i]!)
      const left = turned(p.shape, a.transA, a.transBatchA)
      const right = turned(q.shape, a.transB, a.transBatchB)
      if (left.length === 0 || right.length === 0) fail('a scalar cannot be multiplied as a matrix')
      const rows = left.length === 1 ? [1, ...left] : left
      const columns = right.length === 1 ? [...right, 1] : right
      if (rows.at(-1) !== columns.at(-2)) fail(`inner sizes differ: ${showShape(left)} by ${showShape(right)}`)
      const lead =
        broadcast(rows.slice(0, -2), columns.slice(0, -2)) ??
        fail(`batch axes do not broadcast: ${showShape(left)} by ${showShape(right)}`)
      return [
        {
          dtype: p.dtype,
          shape: [...lead, ...(left.length === 1 ? [] : rows.slice(-2, -1)), ...(right.length === 1 ? [] : columns.slice(-1))],
        },
      ]
    },
    grad: 'expand',
    expand({ x: [p, q], a }) {
      const turn = (t: Tensor, last: number, batch: number) => t.transpose(operandPerm(t.rank, last, batch))
      const product = turn(p, a.transA, a.transBatchA).matmul(turn(q, a.transB, a.transBatchB))
      return [a.alpha === 1 ? product : product.mul(a.alpha)]
    },
    cost({ x: [p], y: [y], a }) {
      const perm = operandPerm(p.shape.length, a.transA, a.transBatchA)
      return 2 * sizeOf(y.shape) * p.shape[perm.at(-1)!]!
    },
    channels: ({ x: [p, q], y: [y], a }) =>
      p.shape.length === 2 && q.shape.length === 2
        ? [
            { a: ['x0', a.transA ? 0 : 1], b: ['x1', a.transB ? 1 : 0] },
            { a: ['x1', a.transB ? 0 : 1], b: ['y0', y.shape.length - 1] },
            { a: ['x0', a.transA ? 1 : 0], b: ['y0', 0] },
          ]
        : [],
    quant: { inputs: [0, 1], weight: { input: 1, axis: 1 } },
    examples,
  })

/** alpha A' B', batch axes broadcast; each operand may be turned in its last two axes, or in its first and batch axes. */
export const FusedMatMul = fusedMatMul('FusedMatMul', [
  { x: [[3, 4], [4, 2]], a: { alpha: 0.5 } }, // prettier-ignore
  { x: [[2, 4, 3], [2, 2, 4]], a: { transA: 1, transB: 1, alpha: 2 } }, // prettier-ignore
  { x: [[3, 2, 4], [4, 2, 5]], a: { transBatchA: 1, transBatchB: 1 } }, // prettier-ignore
  { x: [[4, 2, 3], [2, 4, 5]], a: { transA: 1, transBatchA: 1 } }, // prettier-ignore
])

/** The older name of FusedMatMul. */
export const TransposeMatMul = fusedMatMul('TransposeMatMul', [{ x: [[4, 3], [2, 4]], a: { transA: 1, transB: 1, alpha: 2 } }]) // prettier-ignore

/** activation(alpha A' B' + beta C). */
export const FusedGemm = defineOp({
  type: 'FusedGemm',
  domain: MICROSOFT,
  since: 1,
  attrs: {
    alpha: float(1),
    beta: float(1),
    transA: int(0),
    transB: int(0),
    activation: string(''),
    activation_alpha: float(),
    activation_beta: float(),
    activation_gamma: float(),
  },
  infer: (ctx) => Gemm.infer(ctx),
  grad: 'expand',
  expand({ x: [p, q], a, opt }) {
    const y = p.gemm(q, { transA: a.transA !== 0, transB: a.transB !== 0, alpha: a.alpha, beta: a.beta, c: opt(2) })
    const second = a.activation === 'Selu' ? a.activation_gamma : a.activation_beta
    return [activate(y, a.activation, [a.activation_alpha, second], 'FusedGemm')]
  },
  cost: (call) => Gemm.cost!(call) + sizeOf(call.y[0].shape),
  channels: (call) => Gemm.channels!(call),
  quant: { inputs: [0, 1], weight: { input: 1, axis: 1 } },
  examples: [
    { x: [[3, 4], [4, 2], [2]], a: { activation: 'Sigmoid' } },
    { x: [[4, 3], [2, 4], [2]], a: { activation: 'LeakyRelu', activation_alpha: 0.25, transA: 1, transB: 1, alpha: 0.5, beta: 2 } },
    { x: [[3, 4], [4, 2], [2]], a: { activation: 'Tanh' } },
  ],
})

/** activation(convolution + bias + Z); Z is a tensor of the output's shape. */
export const FusedConv = defineOp({
  type: 'FusedConv',
  domain: MICROSOFT,
  since: 1,
  attrs: { ...convAttrs, activation: string(''), activation_params: floats() },
  infer({ x: [x, w], a, opt, fail }) {
    const g = geometry(x.shape.slice(2), w.shape.slice(2), a)
    if (x.shape[1] !== w.shape[1]! * a.group) fail(`${x.shape[1]} channels for weights of ${w.shape[1]} in ${a.group} groups`)
    const shape = [x.shape[0]!, w.shape[0]!, ...g.out]
    const z = opt(3)
    if (z && !sameShape(z.shape, shape)) fail(`Z is ${showShape(z.shape)}, expected ${showShape(shape)}`)
    return [{ dtype: x.dtype, shape }]
  },
  grad: 'expand',
  expand({ b, x: [x, w], a, opt }) {
    const { activation, activation_params, ...conv } = a
    const y = b.emit('Conv', [x, w, ...(opt(2) ? [opt(2)] : [])], conv)[0]!
    return [activate(opt(3) ? y.add(opt(3)!) : y, activation, activation_params ?? [], 'FusedConv')]
  },
  cost: ({ x: [, w], y: [y] }) => 2 * sizeOf(y.shape) * sizeOf(w.shape.slice(1)) + sizeOf(y.shape),
  channels: ({ x: [, , bias, z], a }) => [
    ...(a.group === 1 ? ([{ a: ['x0', 1], b: ['x1', 1] }] as const) : []),
    { a: ['x1', 0], b: ['y0', 1] },
    ...(bias ? ([{ a: ['x1', 0], b: ['x2', 0] }] as const) : []),
    ...(z ? ([{ a: ['x1', 0], b: ['x3', 1] }] as const) : []),
  ],
  quant: { inputs: [0, 1], weight: { input: 1, axis: 0 } },
  examples: [
    { x: [[1, 2, 4, 4], [3, 2, 3, 3], [3]], a: { activation: 'Sigmoid', pads: [1, 1, 1, 1] } },
    { x: [[1, 2, 4, 3], [2, 1, 2, 2], [2], [1, 2, 3, 2]], a: { activation: 'Tanh', group: 2 } },
    {
      x: [
        [1, 2, 3, 3],
        [2, 2, 2, 2],
      ],
      a: { activation: 'HardSigmoid', activation_params: [0.01, 0.5] },
    },
    {
      x: [
        [1, 2, 3, 3],
        [2, 2, 2, 2],
      ],
      a: { activation: 'LeakyRelu', activation_params: [0.25] },
    },
    {
      x: [
        [1, 2, 3, 3],
        [2, 2, 2, 2],
      ],
      a: { activation: 'Clip', activation_params: [-20, 20] },
    },
  ],
})
