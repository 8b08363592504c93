import { sameShape, showShape, sizeOf } from '../../ir/index.ts'
import { int, string } from '../attrs.ts'
import { defineOp, type Example, type TensorType } from '../rule.ts'
import { where, type Tensor } from '../tensor.ts'

const lossAttrs = { ignore_index: int(), reduction: string('mean') }
interface LossAttrs {
  readonly ignore_index: number | undefined
  readonly reduction: string
}

/** Scores [N, C, d...], classes [N, d...]: the loss's shape. */
function lossShape(x: TensorType, classes: TensorType, reduction: string, fail: (message: string) => never): readonly number[] {
  if (!sameShape([...x.shape.slice(0, 1), ...x.shape.slice(2)], classes.shape))
    fail(`classes ${showShape(classes.shape)} do not fit scores ${showShape(x.shape)}`)
  if (!['none', 'sum', 'mean'].includes(reduction)) fail(`reduction is '${reduction}', expected none, sum or mean`)
  return reduction === 'none' ? classes.shape : []
}

/** -w[t] x[t] for the class t of every sample; the mean divides by the sum of the weights. Ignored classes count for nothing. */
function negativeLogLikelihood(x: Tensor, classes: Tensor, weights: Tensor | undefined, a: LossAttrs): Tensor {
  const kept = a.ignore_index === undefined ? undefined : classes.equal(a.ignore_index).emit('Not')
  const at = kept ? where(kept, classes, 0) : classes
  const picked = x.gatherElements(at.unsqueeze([1]), 1).squeeze([1])
  let weight = weights?.gather(at)
  if (kept) weight = weight ? where(kept, weight, 0) : kept.like(x)
  const losses = (weight ? picked.mul(weight) : picked).neg()
  if (a.reduction === 'none') return losses
  if (a.reduction === 'sum') return losses.sum()
  return weight ? losses.sum().div(weight.sum()) : losses.mean()
}

const classes = (shape: readonly number[], values: readonly number[]) => ({ shape, dtype: 'int64' as const, values })
const weights = { shape: [4], range: [0.3, 1] as const }
const examples: readonly Example[] = [
  { x: [[3, 4], classes([3], [0, 3, 1])] },
  { x: [[3, 4], classes([3], [0, 3, 1]), weights], a: { reduction: 'sum' } },
  { x: [[2, 4, 3], classes([2, 3], [0, 3, 1, 2, 2, 0]), weights], a: { ignore_index: 2 } },
  { x: [[2, 4, 3], classes([2, 3], [0, 3, 1, -1, 2, 0])], a: { ignore_index: -1, reduction: 'none' } },
]

/** Negative log likelihood of classes under log-probabilities [N, C, d...]. Spec: onnx NegativeLogLikelihoodLoss-13. */
export const NegativeLogLikelihoodLoss = defineOp({
  type: 'NegativeLogLikelihoodLoss',
  since: 13,
  attrs: lossAttrs,
  infer: ({ x: [x, target], a, fail }) => [{ dtype: x.dtype, shape: lossShape(x, target, a.reduction, fail) }],
  grad: 'expand',
  expand: ({ x: [x, target], a, opt }) => [negativeLogLikelihood(x, target, opt(2), a)],
  cost: ({ x: [, target] }) => 2 * sizeOf(target.shape),
  channels: ({ x: [x] }) => [
    { a: ['x0', 0], b: ['x1', 0] },
    ...x.shape.slice(2).map((_, i) => ({ a: ['x0', i + 2], b: ['x1', i + 1] }) as const),
  ],
  examples,
})

/** The same of scores, through a softmax; the second output is its logarithm. Spec: onnx SoftmaxCrossEntropyLoss-13. */
export const SoftmaxCrossEntropyLoss = defineOp({
  type: 'SoftmaxCrossEntropyLoss',
  since: 13,
  attrs: lossAttrs,
  infer: ({ x: [x, target], a, outputs, fail }) =>
    [
      { dtype: x.dtype, shape: lossShape(x, target, a.reduction, fail) },
      { dtype: x.dtype, shape: x.shape },
    ].slice(0, outputs),
  grad: 'expand',
  expand({ x: [x, target], a, opt, outputs }) {
    const logs = x.logSoftmax(1)
    return [negativeLogLikelihood(logs, target, opt(2), a), logs].slice(0, outputs)
  },
  cost: ({ x: [x] }) => 6 * sizeOf(x.shape),
  channels: ({ x: [x] }) => [
    { a: ['x0', 0], b: ['x1', 0] },
    ...x.shape.slice(2).map((_, i) => ({ a: ['x0', i + 2], b: ['x1', i + 1] }) as const),
  ],
  examples: examples.map((e, i) => (i % 2 ? { ...e, outputs: 2 } : e)),
})
