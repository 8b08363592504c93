import { UnsupportedError } from '../errors.ts'
import { usageOf, type Graph, type Model, type TensorData } from '../ir/index.ts'
import { applyPasses, cloneModel } from '../passes/index.ts'
import dropIdentity from '../passes/rewrites/drop-identity.ts'
import eliminateDead from '../passes/rewrites/eliminate-dead.ts'
import foldBatchNorm from '../passes/rewrites/fold-batch-norm.ts'
import {
  finalStep,
  finalWeightSteps,
  withWeights,
  type Estimator,
  type FakeQuantization,
  type LayerGrid,
  type ValueGrid,
} from '../train/index.ts'
import { accountOf } from './account.ts'
import { calibrators } from './calibrators/list.gen.ts'
import { compare, observe, type RunOptions, type Samples } from './calibrate.ts'
import { Histogram } from './histogram.ts'
import { narrow } from './narrow.ts'
import { makePlan, type Group, type LayerPlan, type Plan } from './plan.ts'
import type { Quantized } from './quantizeModel.ts'
import { insertQuantization } from './rewrite.ts'
import { asymmetric, type Grid, type Quantization } from './scheme.ts'
import { bestStep, clipTo } from './step.ts'

export interface QatOptions extends RunOptions {
  estimator: Estimator
  /** Of weights and activations, 2 to 8. */
  bits: number
  /** Id of the calibrator of the first ranges. */
  calibration: string
  granularity: 'per-channel' | 'per-tensor'
  /** 7-bit weights for processors whose kernels overflow with 8. */
  reduceRange: boolean
  exclude?: readonly string[] | undefined
  /** Share of the steps after which the statistics of batch norms stay. */
  freezeAfter: number
  /** The optimizer's stride does not follow the gradient's size (Adam and kin). */
  relative: boolean
  /** Weight of the squared clips in the loss (PACT). */
  clipDecay: number
  samples: Samples
}

export interface Qat {
  /** What is to be trained: the model without nodes that do nothing. Its names are those of `rounding`. */
  model: Model
  rounding: FakeQuantization
  /** The integer model of trained weights, with its account. */
  finish(weights: ReadonlyMap<string, TensorData>): Promise<Quantized>
}

/** Integers of `bits` bits: activations from 0, weights symmetric. */
export function gridsOf(bits: number, reduceRange = false): { activations: Grid; weights: Grid } {
  const high = reduceRange && bits === 8 ? 64 : 2 ** (bits - 1) - 1
  return { activations: { dtype: 'uint8', low: 0, high: 2 ** bits - 1 }, weights: { dtype: 'int8', low: -high, high } }
}

/**
 * Prepares a float model for training with rounded weights and values: which ones, on which integers, with which first steps. Batch norms are
 * folded into the weights before those are rounded, as the file will have them.
 * Errors: UnsupportedError where no layer can be computed in integers.
 */
export async function prepareQat(source: Model, o: QatOptions): Promise<Qat> {
  const { model, reports } = applyPasses(source, [dropIdentity, eliminateDead])
  const folded = fold(model)
  const plan = makePlan(folded.graph, o.exclude)
  if (plan.layers.every((l) => l.reason !== undefined))
    throw new UnsupportedError('no layer of the model can be computed in integers', { where: model.graph.name || 'model' })
  const grids = gridsOf(o.bits, o.reduceRange)
  const activations = await ranges(folded, plan.groups, grids.activations, o)
  const layers = layerGrids(model.graph, plan, grids.weights, o)
  const values = valueGrids(plan.groups, activations, grids.activations)
  const build = (weights: ReadonlyMap<string, TensorData>) => {
    const float = fold(withWeights(model, weights))
    const steps = new Map<string, Quantization>()
    for (const [name, q] of activations) {
      const grid = values.find(([, g]) => g.key === name)?.[1]
      steps.set(name, grid ? { ...q, scale: finalStep(rounding, weights, grid) } : q)
    }
    const known = new Map<string, Float32Array>()
    for (const [own, { plan: layer, grid }] of layers) {
      const step = finalWeightSteps(rounding, weights, own, grid)
      if (step) known.set(layer.output, step)
    }
    return { float, ...write(float, { ...o, grids, activations: steps, weightSteps: known }) }
  }
  const rounding: FakeQuantization = {
    estimator: o.estimator,
    layers: new Map([...layers].map(([own, { grid }]) => [own, grid])),
    values: new Map(values),
    constants: new Map(
      plan.constants.map(({ node, input }) => [node.outputs[0]!, { input, high: grids.activations.high - grids.activations.low }]),
    ),
    freezeAfter: o.freezeAfter,
    relative: o.relative,
    clipDecay: o.clipDecay,
    realize: (weights) => build(weights).model,
  }
  return {
    model,
    rounding,
    async finish(weights) {
      const { float, model: quantized, noise, activations: final, warnings } = build(weights)
      const sqnr = await compare(float, quantized, new Set(plan.layers.map((l) => l.output)), o.samples, o)
      const precision = o.bits === 8 ? 'int8' : `int${o.bits}`
      return {
        model: quantized,
        layers: plan.layers.map(({ node, output, reason }) =>
          accountOf(node, precision, reason, sqnr.get(output), noise.get(output)),
        ),
        rewrites: reports,
        activations: plan.groups.map((g) => {
          const q = final.get(g.members[0]!)!
          const [low, high] = [grids.activations.low - q.zero, grids.activations.high - q.zero]
          return { values: g.members, min: low * q.scale, max: high * q.scale, ...q }
        }),
        warnings,
      }
    },
  }
}

const fold = (model: Model): Model => applyPasses(model, [foldBatchNorm, eliminateDead]).model

/** First scale and zero point of every group's first member, from samples. */
async function ranges(model: Model, groups: readonly Group[], grid: Grid, o: QatOptions): Promise<Map<string, Quantization>> {
  const calibrator = calibrators.find((c) => c.id === o.calibration)!
  const seen = await observe(model, new Set(groups.flatMap((g) => g.sources)), o.samples, o)
  return new Map(
    groups.map((group) => {
      const all = new Histogram()
      for (const name of group.sources) all.merge(seen.get(name)!)
      const [low, high] = all.total === 0 ? [0, 0] : calibrator.range(all, grid)
      return [group.members[0]!, asymmetric([group.floor ? 0 : low, Math.min(high, group.ceiling)], grid)]
    }),
  )
}

/** Rounded layers by the name of their own output in the graph with its batch norms. */
function layerGrids(graph: Graph, { layers, groupOf }: Plan, { low, high }: Grid, { granularity, estimator }: QatOptions) {
  const { producer } = usageOf(graph)
  const out = new Map<string, { plan: LayerPlan; grid: LayerGrid }>()
  for (const plan of layers) {
    if (plan.reason !== undefined) continue
    const made = producer.get(plan.node.outputs[0]!)!
    const norm = made.op === 'BatchNormalization' && made.domain === ''
    const own = norm ? made.inputs[0]! : made.outputs[0]!
    const axis = granularity === 'per-channel' ? plan.axis : undefined
    // Steps that follow the weights need no first value, only their number.
    const step =
      estimator === 'lsq' ? bestStep(plan.weight!, axis, high) : new Float32Array(axis === undefined ? 1 : plan.weight!.dims[axis]!)
    out.set(own, { plan, grid: { low, high, axis: plan.axis, step, norm, input: groupOf.get(plan.node.inputs[0]!)!.members[0]! } })
  }
  return out
}

/** Rounded values by name: of each group those that are computed; the others hold a part of the same numbers. */
function valueGrids(groups: readonly Group[], activations: ReadonlyMap<string, Quantization>, grid: Grid): [string, ValueGrid][] {
  return groups.flatMap((group) => {
    const key = group.members[0]!
    const { scale, zero } = activations.get(key)!
    const [low, high] = [grid.low - zero, grid.high - zero]
    const limit = Number.isFinite(group.ceiling) ? group.ceiling / high : undefined
    return group.sources.map((name): [string, ValueGrid] => [name, { key, step: scale, low, high, limit, rectified: group.floor }])
  })
}

interface Written {
  bits: number
  granularity: QatOptions['granularity']
  exclude?: readonly string[] | undefined
  grids: { activations: Grid; weights: Grid }
  activations: ReadonlyMap<string, Quantization>
  /** Steps of weights by the layer's output; those of others cover the largest weight. */
  weightSteps: ReadonlyMap<string, Float32Array>
}

/** The integer file of a folded float model. */
function write(float: Model, w: Written) {
  const quantized = cloneModel(float)
  const plan = makePlan(quantized.graph, w.exclude)
  const perChannel = w.granularity === 'per-channel'
  for (const layer of plan.layers) {
    const step = w.weightSteps.get(layer.output)
    if (step) layer.weight = clipTo(layer.weight!, perChannel ? layer.axis : undefined, step, w.grids.weights)
  }
  const domain = (quantized.opsets.get('') ?? 1) >= 13 ? '' : 'com.microsoft'
  const scheme = {
    id: 'qat', title: '', precision: '', weightBits: w.bits, activationBits: w.bits, saturates: true, ...w.grids,
  } // prettier-ignore
  const noise = insertQuantization(quantized.graph, plan, {
    scheme,
    perChannel,
    domain,
    activations: w.activations,
    weightSteps: w.weightSteps,
  })
  eliminateDead.run(quantized.graph)
  if (domain !== '') quantized.opsets.set(domain, 1)
  const { model, unpacked } = w.bits < 8 ? narrow(quantized, w.grids) : { model: quantized, unpacked: undefined }
  return { model, noise, activations: w.activations, warnings: unpacked ? [unpacked] : [] }
}
