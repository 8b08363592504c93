import { getFloat, TensorData, type Model, type Node } from '../ir/index.ts'
import {
  batchNorm,
  clippedActivation,
  learnedStep,
  roundThrough,
  stepGradientScale,
  straightThrough,
  type Builder,
  type Levels,
  type Tensor,
} from '../ops/index.ts'
import type { Held } from './program.ts'

/** How the steps of integers are found: fixed ranges, learned step sizes (LSQ), learned clips of rectified values (PACT). */
export type Estimator = 'ste' | 'lsq' | 'pact'

/** A value that is rounded. */
export interface ValueGrid extends Levels {
  /** Values with one key share a step. */
  readonly key: string
  /** First step, the real number that one integer stands for. */
  readonly step: number
  /** Largest step: a bound on the value itself is not to be passed. */
  readonly limit?: number | undefined
  /** The value is never below 0. */
  readonly rectified: boolean
}

/** A layer whose weight is rounded, symmetrically about 0. */
export interface LayerGrid extends Levels {
  /** Axis of the weight's output channels. */
  readonly axis: number
  /** First step of each channel, or one for all. */
  readonly step: Float32Array
  /** A batch norm follows and is taken in: the weight is rounded as it is after folding. */
  readonly norm: boolean
  /** Key of the rounded value that the layer reads. Its step times the weight's is what one unit of the integer bias stands for. */
  readonly input: string
}

/** What a student's rounding in training is made of; names are those of the training graph. */
export interface FakeQuantization {
  readonly estimator: Estimator
  /** By the layer's own output (before its batch norm). */
  readonly layers: ReadonlyMap<string, LayerGrid>
  readonly values: ReadonlyMap<string, ValueGrid>
  /** Constant sides of additions, by the sum's name: which input, and the last of the integers from 0 that cover its range. */
  readonly constants: ReadonlyMap<string, { readonly input: number; readonly high: number }>
  /** Share of the steps after which the statistics of batch norms stay. */
  readonly freezeAfter: number
  /** Steps are trained as multiples of their first values: for optimizers whose stride does not follow the gradient's size. */
  readonly relative: boolean
  /** Weight of the sum of squares of learned clips in the loss (PACT, section 3.1). */
  readonly clipDecay: number
  /** The integer model of trained weights and steps (`extra/qat/…`), for judging. */
  realize(weights: ReadonlyMap<string, TensorData>): Model
}

/** Prefix of the trained steps in a training's state and weights. */
export const STEPS = 'extra/qat/'
/** Below this share of its first value no step falls: integers must stay finite. */
const LEAST = 1e-3

interface Around {
  held: Held
  move(node: Node, statistics: readonly [old: readonly Tensor[], now: readonly Tensor[]]): void
  frozen: boolean
}

/** A step as it is trained: itself, or the multiple of its first value. */
function trainedStep(held: Held, q: Pick<FakeQuantization, 'relative'>, name: string, first: Float32Array): Tensor {
  const dims = first.length === 1 ? [] : [first.length]
  const start = q.relative ? new Float32Array(first.length).fill(1) : first
  const t = held(STEPS + name, dims, TensorData.of('float32', dims, start))
  const least = t.b.array(
    'float32',
    dims,
    Array.from(start, (v) => v * LEAST),
  )
  const positive = t.maximum(least)
  return q.relative ? positive.mul(t.b.array('float32', dims, first)) : positive
}

/** What a training ended with of what began as `first`. The same arithmetic as in the graph, in single precision. */
function ended(q: Pick<FakeQuantization, 'relative'>, trained: ReadonlyMap<string, TensorData>, name: string, first: Float32Array) {
  const found = trained.get(STEPS + name)?.numbers()
  if (!found) return undefined
  return first.map((v, i) => {
    const start = q.relative ? 1 : v
    const positive = Math.max(found[i]!, Math.fround(start * LEAST))
    return q.relative ? positive * v : positive
  })
}

const clipOf = (grid: ValueGrid): Float32Array => Float32Array.of(grid.step * grid.high)

/** Step of a rounded value after training; `trained` has the state by name. */
export function finalStep(q: FakeQuantization, trained: ReadonlyMap<string, TensorData>, grid: ValueGrid): number {
  const clip = ended(q, trained, `clip/${grid.key}`, clipOf(grid))
  const step = clip ? clip[0]! / grid.high : ended(q, trained, `value/${grid.key}`, Float32Array.of(grid.step))?.[0]
  return Math.fround(Math.min(step ?? grid.step, grid.limit ?? Infinity))
}

/** Steps of a layer's weight after training; undefined where they follow the largest weight. */
export const finalWeightSteps = (
  q: FakeQuantization,
  trained: ReadonlyMap<string, TensorData>,
  layer: string,
  grid: LayerGrid,
): Float32Array | undefined => ended(q, trained, `weight/${layer}`, grid.step)

/** Rounds values and weights while a student is put into a step graph. */
export function fakeQuantizer(b: Builder, q: FakeQuantization, { held, move, frozen }: Around) {
  /** Outputs of layers that wait for their batch norm. */
  const waiting = new Map<Tensor, { node: Node; inputs: readonly (Tensor | undefined)[]; grid: LayerGrid }>()
  const clips = new Set<Tensor>()
  /** Steps of rounded values by their key. */
  const steps = new Map<string, Tensor>()

  const value = (name: string, x: Tensor): Tensor => {
    const grid = q.values.get(name)
    if (!grid) return x
    if (q.estimator === 'ste' || (q.estimator === 'pact' && !grid.rectified)) {
      steps.set(grid.key, b.scalar(grid.step))
      return learnedStep(x, b.scalar(grid.step), grid)
    }
    const bounded = (t: Tensor, by: number) => (grid.limit === undefined ? t : t.minimum(grid.limit * by))
    if (q.estimator === 'lsq') {
      const step = bounded(trainedStep(held, q, `value/${grid.key}`, Float32Array.of(grid.step)), 1)
      steps.set(grid.key, step)
      return learnedStep(x, step, grid, stepGradientScale(x.size / x.shape[0]!, grid))
    }
    const alpha = bounded(trainedStep(held, q, `clip/${grid.key}`, clipOf(grid)), grid.high)
    clips.add(alpha)
    steps.set(grid.key, alpha.div(grid.high))
    return clippedActivation(x, alpha, grid)
  }

  /** The rounded weight, and its step in one dimension or none. */
  const weight = (title: string, w: Tensor, grid: LayerGrid): { rounded: Tensor; step: Tensor } => {
    const shape = w.shape.map((d, i) => (grid.step.length > 1 && i === grid.axis ? d : 1))
    if (q.estimator === 'lsq') {
      const step = trainedStep(held, q, `weight/${title}`, grid.step)
      return { rounded: learnedStep(w, step.reshape(shape), grid, stepGradientScale(w.size / grid.step.length, grid)), step }
    }
    // Without a learned step the integers cover the largest weight, whatever it is by now.
    const axes = shape.flatMap((d, i) => (d === 1 ? [i] : []))
    const step = w.detach().abs().max(axes, true).maximum(1e-12).div(grid.high)
    return { rounded: learnedStep(w, step, grid), step: step.reshape(grid.step.length > 1 ? [step.size] : []) }
  }

  /** A constant on integers from 0 to `high` that cover its own range and 0, whatever that is by now. */
  const constant = (w: Tensor, high: number): Tensor => {
    const still = w.detach()
    const low = still.min().minimum(0)
    const step = still.max().maximum(0).sub(low).div(high).maximum(1e-30)
    const zero = low.div(step).neg().emit('Round')
    const codes = still
      .div(step)
      .add(zero)
      .emit('Round')
      .emit('Clip', [w.lift(0), w.lift(high)])
    return straightThrough(codes.sub(zero).mul(step), w)
  }

  /** A bias in units of the products that it is added to. */
  const bias = (values: Tensor, step: Tensor, grid: LayerGrid): Tensor => {
    const unit = steps.get(grid.input)?.mul(step).detach()
    return unit ? roundThrough(values.div(unit)).mul(unit) : values
  }

  /** A layer with the batch norm that follows it: the folded weight is rounded, and the batch's statistics correct the result until they are frozen. */
  const folded = (norm: Node, inputs: readonly Tensor[]): readonly Tensor[] | undefined => {
    const layer = waiting.get(inputs[0]!)
    if (!layer) return undefined
    const { node, grid } = layer
    const [x, w, given] = layer.inputs as [Tensor, Tensor, Tensor | undefined]
    const own = given && (given.size > 1 ? given.reshape(inputs[3]!.shape) : given.reshape([]))
    const [, scale, shift, mean, variance] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor]
    const epsilon = getFloat(norm, 'epsilon', 1e-5)
    const deviation = variance.add(epsilon).sqrt()
    const along = (v: Tensor, rank: number, axis: number) =>
      v.reshape(Array.from({ length: rank }, (_, i) => (i === axis ? v.size : 1)))
    const { rounded, step } = weight(node.outputs[0]!, w.mul(along(scale.div(deviation), w.rank, grid.axis)), grid)
    const product = b.emitNode(node, [x, rounded])[0]!
    const channel = (v: Tensor) => along(v, product.rank, 1)
    /** What the file adds, for given statistics: shift - (mean - own) scale / deviation. */
    const added = (m: Tensor, d: Tensor) => shift.sub(m.sub(own ?? 0).mul(scale.div(d)))
    if (frozen) return [product.add(channel(bias(added(mean, deviation), step, grid)))]
    // Integers are those of the running statistics, which the file will have, and outputs are as the batch's would make them.
    const [, m, v] = batchNorm(inputs[0]!, scale, shift, epsilon)
    move(norm, [
      [mean, variance],
      [m!, v!],
    ])
    const now = v!.add(epsilon).sqrt()
    return [product.mul(channel(deviation.div(now))).add(channel(bias(added(m!, now), step, grid)))]
  }

  return {
    value,
    /** Whether some output of the node is rounded. */
    rounds: (node: Node): boolean => node.outputs.some((name) => q.values.has(name)),
    node(node: Node, inputs: readonly (Tensor | undefined)[]): readonly Tensor[] | undefined {
      if (node.op === 'BatchNormalization' && node.domain === '') return folded(node, inputs as Tensor[])
      const added = q.constants.get(node.outputs[0]!)
      if (added) return b.emitNode(node, inputs.map((t, i) => (i === added.input ? constant(t!, added.high) : t))) // prettier-ignore
      const grid = q.layers.get(node.outputs[0]!)
      if (!grid) return undefined
      if (grid.norm) {
        const y = b.emitNode(node, inputs)
        waiting.set(y[0]!, { node, inputs, grid })
        return y
      }
      const [x, w, own] = inputs as [Tensor, Tensor, Tensor | undefined]
      const { rounded, step } = weight(node.outputs[0]!, w, grid)
      return b.emitNode(node, own ? [x, rounded, bias(own, step, grid)] : [x, rounded])
    },
    /** Learned clips, which PACT keeps small. */
    clips,
  }
}
