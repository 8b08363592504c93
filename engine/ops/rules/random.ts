import { dataTypeOf, sizeOf, type DataType } from '../../ir/index.ts'
import { float, int, ints } from '../attrs.ts'
import { defineOp, type OpRule, type TensorType } from '../rule.ts'

/**
 * Operators that draw. ONNX Runtime's generators have a hidden state that no checkpoint holds, so the training compiler replaces these nodes
 * by numbers that are fed (`../support/draws.ts`); elsewhere they run as they stand. A draw is constant to what it is drawn from.
 */

const seed = float()
const numbers = { normal: { mean: float(0), scale: float(1) }, uniform: { low: float(0), high: float(1) } }

/** Element type by its ONNX number. */
function typeOf(code: number | undefined, fallback: DataType, fail: (message: string) => never): DataType {
  if (code === undefined) return fallback
  return dataTypeOf(code) ?? fail(`dtype ${code} is no element type`)
}

const drawn = (type: string, kind: keyof typeof numbers): OpRule =>
  defineOp({
    type,
    since: 1,
    attrs: { ...numbers[kind], dtype: int(1), seed, shape: ints() },
    infer({ a, fail }): TensorType[] {
      return [{ dtype: typeOf(a.dtype, 'float32', fail), shape: a.shape ?? fail('it has no shape') }]
    },
    grad: 'zero',
    random: true,
    cost: ({ y: [y] }) => 10 * sizeOf(y.shape),
    examples: [
      { x: [], a: { shape: [2, 3], seed: 3 } },
      { x: [], a: { shape: [4], seed: 5, dtype: 11 } },
    ],
  })

const drawnLike = (type: string, kind: keyof typeof numbers): OpRule =>
  defineOp({
    type,
    since: 1,
    attrs: { ...numbers[kind], dtype: int(), seed },
    infer: ({ x: [x], a, fail }) => [{ dtype: typeOf(a.dtype, x.dtype, fail), shape: x.shape }],
    grad: 'zero',
    random: true,
    cost: ({ y: [y] }) => 10 * sizeOf(y.shape),
    channels: ({ x: [x] }) => x.shape.map((_, i) => ({ a: ['x0', i] as const, b: ['y0', i] as const })),
    examples: [
      { x: [[2, 3]], a: { seed: 3 } },
      { x: [[4]], a: { seed: 5, dtype: 11 } },
    ],
  })

/** Spec: onnx RandomNormal-22. */
export const RandomNormal = drawn('RandomNormal', 'normal')
/** Spec: onnx RandomUniform-22. */
export const RandomUniform = drawn('RandomUniform', 'uniform')
/** Spec: onnx RandomNormalLike-22. */
export const RandomNormalLike = drawnLike('RandomNormalLike', 'normal')
/** Spec: onnx RandomUniformLike-22. */
export const RandomUniformLike = drawnLike('RandomUniformLike', 'uniform')

/** 1 with the probability that the input gives, else 0. Spec: onnx Bernoulli-22. */
export const Bernoulli = defineOp({
  type: 'Bernoulli',
  since: 15,
  attrs: { dtype: int(), seed },
  infer: ({ x: [x], a, fail }) => [{ dtype: typeOf(a.dtype, x.dtype, fail), shape: x.shape }],
  grad: 'zero',
  random: true,
  cost: ({ y: [y] }) => 2 * sizeOf(y.shape),
  channels: ({ x: [x] }) => x.shape.map((_, i) => ({ a: ['x0', i] as const, b: ['y0', i] as const })),
  examples: [
    { x: [{ shape: [3, 4], range: [0, 1] }], a: { seed: 3 } },
    { x: [{ shape: [5], range: [0, 1] }], a: { seed: 4, dtype: 9 } },
  ],
})

/** Class indices drawn with unnormalised log probabilities [batch, classes]; output [batch, sample_size]. Spec: onnx Multinomial-22. */
export const Multinomial = defineOp({
  type: 'Multinomial',
  since: 7,
  attrs: { dtype: int(6), sample_size: int(1), seed },
  infer({ x: [x], a, fail }) {
    if (x.shape.length !== 2) fail(`the input has rank ${x.shape.length}, expected 2`)
    return [{ dtype: typeOf(a.dtype, 'int32', fail), shape: [x.shape[0]!, a.sample_size] }]
  },
  grad: 'zero',
  random: true,
  cost: ({ x: [x], a }) => 2 * sizeOf(x.shape) * a.sample_size,
  examples: [
    { x: [[2, 5]], a: { seed: 3, sample_size: 4 } },
    { x: [[1, 3]], a: { seed: 3, dtype: 7 } },
  ],
})
