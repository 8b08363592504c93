import { broadcast, sameShape, showShape, sizeOf } from '../../ir/index.ts'
import { float, int } from '../attrs.ts'
import { defineOp, type Example, type Tie } from '../rule.ts'
import type { Tensor } from '../tensor.ts'
import { axisIn, fault, tieAxes } from '../support/axes.ts'
import { MICROSOFT } from '../support/contrib.ts'
import { layerNorm, rmsNorm } from '../support/layerNorm.ts'

/** RMS normalization as ONNX Runtime named it before opset 23, in the default domain. Second output: 1 / sqrt(mean x^2 + epsilon). */
export const SimplifiedLayerNormalization = defineOp({
  type: 'SimplifiedLayerNormalization',
  since: 1,
  attrs: { axis: int(-1), epsilon: float(1e-5), stash_type: int(1) },
  infer({ x: [x, scale], a, outputs, fail }) {
    const axis = axisIn(a.axis, x.shape.length, fail)
    if (!sameShape(broadcast(x.shape, scale.shape) ?? [], x.shape))
      fail(`scale ${showShape(scale.shape)} does not fit ${showShape(x.shape)}`)
    return [
      { dtype: scale.dtype, shape: x.shape },
      { dtype: x.dtype === 'float64' ? x.dtype : ('float32' as const), shape: x.shape.map((d, i) => (i < axis ? d : 1)) },
    ].slice(0, outputs)
  },
  grad: 'expand',
  expand({ x: [x, scale], a, outputs }) {
    const from = axisIn(a.axis, x.rank, fault)
    const wide = x.dtype === 'float64' ? x : x.cast('float32')
    const axes = Array.from({ length: x.rank - from }, (_, i) => from + i)
    const { y, inverse } = rmsNorm(wide, axes, a.epsilon)
    return [y.like(scale).mul(scale), inverse].slice(0, outputs)
  },
  cost: ({ x: [x] }) => 5 * sizeOf(x.shape),
  channels: ({ x: [x, scale] }) => [
    ...tieAxes(x.shape.length, () => true),
    ...(scale.shape.length ? [{ a: ['x0', x.shape.length - 1], b: ['x1', scale.shape.length - 1] } as Tie] : []),
  ],
  examples: [{ x: [[2, 3, 4], [4]] }, { x: [[2, 6], [6]], a: { epsilon: 1e-2 } }],
})

interface SkipNorm {
  type: string
  /** Inputs: 0 input, 1 skip, 2 gamma, then these. */
  beta: number | undefined
  bias: number
  norm: (x: Tensor, epsilon: number, gamma: Tensor, beta: Tensor | undefined) => { y: Tensor; mean: Tensor; inverse: Tensor }
  examples: readonly Example[]
}

/** Norm of input + skip (+ bias), over the last axis; the fourth output is that sum. The skip broadcasts along the batch. */
const skipNorm = ({ type, beta, bias, norm, examples }: SkipNorm) =>
  defineOp({
    type,
    domain: MICROSOFT,
    since: 1,
    attrs: { epsilon: float(1e-5) },
    infer({ x: [x, skip, gamma], outputs, fail }) {
      if (!sameShape(broadcast(x.shape, skip.shape) ?? [], x.shape))
        fail(`skip ${showShape(skip.shape)} does not fit ${showShape(x.shape)}`)
      if (!sameShape(gamma.shape, x.shape.slice(-1))) fail(`gamma ${showShape(gamma.shape)} does not fit ${showShape(x.shape)}`)
      const rows = { dtype: 'float32' as const, shape: [...x.shape.slice(0, -1), 1] }
      const same = { dtype: x.dtype, shape: x.shape }
      return [same, rows, rows, same].slice(0, outputs)
    },
    grad: 'expand',
    expand({ x: [x, skip, gamma], a, opt, outputs }) {
      const joined = x.add(skip)
      const sum = opt(bias) ? joined.add(opt(bias)!) : joined
      const { y, mean, inverse } = norm(sum, a.epsilon, gamma, beta === undefined ? undefined : opt(beta))
      return [y, mean.cast('float32'), inverse.cast('float32'), sum].slice(0, outputs)
    },
    cost: ({ x: [x] }) => 9 * sizeOf(x.shape),
    channels: ({ x, y }) => {
      const last = x[0].shape.length - 1
      return [
        ...tieAxes(x[0].shape.length, () => true),
        ...x.slice(1).flatMap((t, k): Tie[] => (t ? [{ a: ['x0', last], b: [`x${k + 1}`, t.shape.length - 1] }] : [])),
        ...(y.length > 3 ? [{ a: ['x0', last], b: ['y3', last] } as Tie] : []),
      ]
    },
    examples,
  })

export const SkipLayerNormalization = skipNorm({
  type: 'SkipLayerNormalization',
  beta: 3,
  bias: 4,
  norm: (x, epsilon, gamma, beta) => layerNorm(x, [x.rank - 1], epsilon, gamma, beta),
  examples: [
    { x: [[2, 3, 4], [2, 3, 4], [4]] },
    { x: [[2, 3, 4], [2, 3, 4], [4], [4], [4]], a: { epsilon: 1e-2 } },
    { x: [[2, 3, 4], [3, 4], [4], [4]] },
  ],
})

export const SkipSimplifiedLayerNormalization = skipNorm({
  type: 'SkipSimplifiedLayerNormalization',
  beta: undefined,
  bias: 3,
  norm: (x, epsilon, gamma) => ({ ...rmsNorm(x, [x.rank - 1], epsilon, gamma), mean: x.mean([-1], true) }),
  examples: [{ x: [[2, 3, 4], [2, 3, 4], [4]] }, { x: [[2, 3, 4], [1, 3, 4], [4], [4]], a: { epsilon: 1e-2 } }],
})

const ids = (shape: readonly number[], values: readonly number[]) => ({ shape, dtype: 'int32' as const, values })

/**
 * The input of a BERT: word, position and segment embeddings, summed and normalized. Inputs: ids [B, S], segment ids, the three tables, gamma,
 * beta, mask [B, S], position ids. Outputs: [B, S, hidden], the number of unmasked positions [B], the sum.
 */
export const EmbedLayerNormalization = defineOp({
  type: 'EmbedLayerNormalization',
  domain: MICROSOFT,
  since: 1,
  attrs: { epsilon: float(1e-12), mask_index_type: int() },
  infer({ x: [input, , words], outputs, fail }) {
    if (input.shape.length !== 2) fail(`ids are ${showShape(input.shape)}, expected [batch, sequence]`)
    const same = { dtype: words.dtype, shape: [...input.shape, words.shape[1]!] }
    return [same, { dtype: 'int32' as const, shape: [input.shape[0]!] }, same].slice(0, outputs)
  },
  grad: 'expand',
  expand({ b, x: [input, , words, positions], a, opt, outputs }) {
    const [batch, length] = input.shape as [number, number]
    const place =
      opt(8)?.expand([batch, length]) ??
      b.array(
        'int64',
        [length],
        Array.from({ length }, (_, i) => i),
      )
    const parts = words.gather(input).add(positions.gather(place))
    const sum = opt(1) && opt(4) ? parts.add(opt(4)!.gather(opt(1)!)) : parts
    const { y } = layerNorm(sum, [2], a.epsilon, opt(5), opt(6))
    const count = opt(7)?.equal(1).cast('int32').sum([1]) ?? b.zeros([batch], 'int32')
    return [y, count, sum].slice(0, outputs)
  },
  cost: ({ y: [y] }) => 9 * sizeOf(y.shape),
  channels: ({ x, y: [y] }) =>
    [2, 3, 4]
      .flatMap((k): Tie[] => (x[k] ? [{ a: [`x${k}`, 1], b: ['y0', 2] }] : []))
      .concat([5, 6].flatMap((k): Tie[] => (x[k] && y ? [{ a: [`x${k}`, 0], b: ['y0', 2] }] : []))),
  examples: [
    {
      x: [ids([2, 3], [0, 4, 2, 1, 1, 3]), ids([2, 3], [0, 0, 1, 0, 1, 1]), [5, 4], [6, 4], [2, 4], [4], [4]],
      a: { epsilon: 1e-5 },
      outputs: 2,
    },
    {
      x: [ids([2, 3], [0, 4, 2, 1, 1, 3]), null, [5, 4], [6, 4], null, [4], [4], ids([2, 3], [1, 1, 0, 1, 1, 1])],
      a: { epsilon: 1e-5 },
      outputs: 2,
    },
  ],
})
