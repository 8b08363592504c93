import { where, type Tensor } from '../../ops/index.ts'
import { defineLowering, type Lowering, type LoweringContext } from '../lowering.ts'

/**
 * Elementwise operators that ONNX Runtime 1.30 has in single precision only, written with those that it has in double: numeric checks of
 * gradients need more digits than single has. Values agree with the kernels to single precision, which the same checks compare.
 */
const inDouble = (op: string, write: (x: Tensor, a: Record<string, number>, ctx: LoweringContext) => Tensor): Lowering =>
  defineLowering({
    op,
    when: ({ x: [x] }) => x.dtype === 'float64',
    lower: (ctx) => [write(ctx.x[0], ctx.a as Record<string, number>, ctx)],
  })

/** exp x - 1 below 0, where it cannot overflow. */
const below = (x: Tensor): Tensor => x.minimum(0).exp().sub(1)
const softplus = (x: Tensor): Tensor => x.maximum(0).add(x.abs().neg().exp().add(1).log())

export const leakyRelu = inDouble('LeakyRelu', (x, { alpha }) => where(x.less(0), x.mul(alpha!), x))
export const pRelu = inDouble('PRelu', (x, _, { x: [, slope] }) => where(x.less(0), x.mul(slope), x))
export const elu = inDouble('Elu', (x, { alpha }) => where(x.less(0), below(x).mul(alpha!), x))
export const selu = inDouble('Selu', (x, { alpha, gamma }) => where(x.greater(0), x, below(x).mul(alpha!)).mul(gamma!))
export const celu = inDouble('Celu', (x, { alpha }) => x.maximum(0).add(below(x.mul(1 / alpha!)).mul(alpha!)))
export const thresholdedRelu = inDouble('ThresholdedRelu', (x, { alpha }) => where(x.greater(alpha!), x, 0))
export const hardSigmoid = inDouble('HardSigmoid', (x, { alpha, beta }) => x.mul(alpha!).add(beta!).maximum(0).minimum(1))
export const hardSwish = inDouble('HardSwish', (x) => x.mul(x.mul(1 / 6).add(0.5).maximum(0).minimum(1))) // prettier-ignore
export const softplusInDouble = inDouble('Softplus', softplus)
export const softsign = inDouble('Softsign', (x) => x.div(x.abs().add(1)))
export const mish = inDouble('Mish', (x) => x.mul(softplus(x).tanh()))
export const sinh = inDouble('Sinh', (x) => x.exp().sub(x.neg().exp()).mul(0.5))
export const cosh = inDouble('Cosh', (x) => x.exp().add(x.neg().exp()).mul(0.5))
export const tan = inDouble('Tan', (x) => x.sin().div(x.cos()))
export const asinh = inDouble('Asinh', (x) => x.abs().add(x.square().add(1).sqrt()).log().mul(x.sign()))
export const acosh = inDouble('Acosh', (x) => x.add(x.square().sub(1).sqrt()).log())
export const atanh = inDouble('Atanh', (x) => x.add(1).div(x.rsub(1)).log().mul(0.5))
export const atan = inDouble('Atan', arcTangent)
export const asin = inDouble('Asin', (x) => arcTangent(x.div(x.square().rsub(1).sqrt())))
export const acos = inDouble('Acos', (x) => arcTangent(x.div(x.square().rsub(1).sqrt())).rsub(Math.PI / 2))
export const mean = defineLowering({
  op: 'Mean',
  when: ({ x: [x] }) => x.dtype === 'float64',
  lower: ({ x }) => [(x as readonly Tensor[]).reduce((s, t) => s.add(t)).mul(1 / x.length)],
})
export const erf = inDouble('Erf', errorFunction)
export const gelu = defineLowering({
  op: 'Gelu',
  when: ({ x: [x], a }) => x.dtype === 'float64' && a.approximate !== 'tanh',
  lower: ({ x: [x] }) => [x.mul(errorFunction(x.mul(Math.SQRT1_2)).add(1)).mul(0.5)],
})
export const tanhGelu = defineLowering({
  op: 'Gelu',
  when: ({ x: [x], a }) => x.dtype === 'float64' && a.approximate === 'tanh',
  lower: ({ x: [x] }) => {
    const u = x.add(x.mul(x).mul(x).mul(0.044715)).mul(Math.sqrt(2 / Math.PI))
    return [x.mul(u.tanh().add(1)).mul(0.5)]
  },
})

/** Halving the angle three times, atan x = 2 atan(x / (1 + sqrt(1 + x^2))), leaves |x| below 0.2, where ten terms of the series are exact. */
function arcTangent(x: Tensor): Tensor {
  let t = x
  for (let i = 0; i < 3; i++) t = t.div(t.square().add(1).sqrt().add(1))
  const square = t.square()
  let sum = t.sub(t).add(1 / 23)
  for (let k = 10; k >= 0; k--) sum = sum.mul(square).rsub(1 / (2 * k + 1))
  return t.mul(sum).mul(8)
}

/** erf x = 2 / sqrt(pi) exp(-x^2) sum_k 2^k x^(2k+1) / (2k+1)!!, all terms of one sign; beyond 5 it is 1 to within 2e-12. */
function errorFunction(x: Tensor): Tensor {
  const inside = x.maximum(-5).minimum(5)
  const square = inside.square()
  let sum = inside.sub(inside).add(1)
  for (let k = 90; k >= 1; k--) sum = sum.mul(square).mul(2 / (2 * k + 1)).add(1) // prettier-ignore
  return square.neg().exp().mul(inside).mul(sum).mul(2 / Math.sqrt(Math.PI)) // prettier-ignore
}
