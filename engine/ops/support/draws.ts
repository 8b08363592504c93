import { BugError } from '../../errors.ts'
import { dataTypeOf, getFloat, getInt, getInts, type DataType, type Node } from '../../ir/index.ts'
import { type Tensor } from '../tensor.ts'

/** Distribution of numbers that are fed: standard normal, or uniform in [0, 1). */
export type DrawKind = 'normal' | 'uniform'

/** Declares an input that the host fills with fresh numbers for every step, of float32. */
export type FedDraw = (kind: DrawKind, shape: readonly number[]) => Tensor

/** True where a Dropout's training_mode is the constant true. */
export function isOn(opt: (i: number) => Tensor | undefined): boolean {
  return opt(2)?.scalarValue === 1
}

/**
 * A node that draws, as a function of numbers that are fed: then a step is a function of its inputs, and a resumed run repeats it. Covers
 * RandomNormal, RandomUniform, their Like forms, Bernoulli, Multinomial, and Dropout whose training_mode is the constant true. Undefined for
 * every other node.
 */
export function withFedDraws(node: Node, inputs: readonly (Tensor | undefined)[], fed: FedDraw): Tensor[] | undefined {
  if (node.domain !== '') return undefined
  const [x] = inputs
  const need = (): Tensor => {
    if (!x) throw new BugError(`${node.op} without an input`)
    return x
  }
  const as = (fallback: DataType): DataType => dataTypeOf(getInt(node, 'dtype', 0)) ?? fallback
  const shape = (): readonly number[] => getInts(node, 'shape') ?? []
  switch (node.op) {
    case 'RandomNormal':
      return [normal(node, fed, shape()).cast(as('float32'))]
    case 'RandomNormalLike':
      return [normal(node, fed, need().shape).cast(as(need().dtype))]
    case 'RandomUniform':
      return [uniform(node, fed, shape()).cast(as('float32'))]
    case 'RandomUniformLike':
      return [uniform(node, fed, need().shape).cast(as(need().dtype))]
    case 'Bernoulli':
      return [fed('uniform', need().shape).like(need()).less(need()).cast(as(need().dtype))]
    case 'Multinomial':
      return [multinomial(need(), getInt(node, 'sample_size', 1), fed).cast(as('int32'))]
    case 'Dropout':
      return isOn((i) => inputs[i]) ? dropped(need(), inputs[1], fed) : undefined
    default:
      return undefined
  }
}

const normal = (node: Node, fed: FedDraw, shape: readonly number[]): Tensor =>
  fed('normal', shape)
    .mul(getFloat(node, 'scale', 1))
    .add(getFloat(node, 'mean', 0))

function uniform(node: Node, fed: FedDraw, shape: readonly number[]): Tensor {
  const low = getFloat(node, 'low', 0)
  return fed('uniform', shape)
    .mul(getFloat(node, 'high', 1) - low)
    .add(low)
}

/** The largest of log p + g with g Gumbel distributed is a draw from p (the Gumbel-max trick; Maddison, Tarlow, Minka 2014, section 2). */
function multinomial(logits: Tensor, samples: number, fed: FedDraw): Tensor {
  const [batch, classes] = logits.shape as [number, number]
  const gumbel = fed('uniform', [batch, samples, classes]).log().neg().log().neg()
  return logits.unsqueeze([1]).add(gumbel.like(logits)).argMax(2)
}

/** Inverted dropout: [x mask / (1 - ratio), mask]. */
function dropped(x: Tensor, ratio: Tensor | undefined, fed: FedDraw): Tensor[] {
  const r = (ratio ?? x.b.scalar(0.5)).cast('float32')
  const mask = fed('uniform', x.shape).greaterOrEqual(r)
  return [x.mul(mask.like(x)).div(r.rsub(1).like(x)), mask]
}
