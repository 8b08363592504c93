import { gradientsOrNone } from '../../autodiff/index.ts'
import { OptionError, UnsupportedError } from '../../errors.ts'
import { makeGraph, type Model, type Node } from '../../ir/index.ts'
import { inlineFunctions, upgradeOpset } from '../../onnx/index.ts'
import { inlineGraph, newBuilder, type Tensor } from '../../ops/index.ts'
import { findOptimizer, optimizerStep, parseOptions } from '../../optim/index.ts'
import { cloneModel, lower } from '../../passes/index.ts'
import eliminateDead from '../../passes/rewrites/eliminate-dead.ts'
import { random } from '../../random.ts'
import { createSession, Value, type Feeds } from '../../session/index.ts'
import { withOutputs, type RunOptions, type Samples } from '../calibrate.ts'
import { importance } from './importance.ts'
import { blockSegments, layerSegments, type Segment } from './segments.ts'
import { hardLevels, nearestLevels, rectified, softWeight, startOf, valuesOf, type GridWeight } from './soft.ts'

export interface ReconstructOptions extends RunOptions {
  samples: Samples
  /** `layer`: each layer by itself (AdaRound); `block`: residual blocks as one, weighed by what they do to the output (BRECQ). */
  by: 'layer' | 'block'
  /** Optimizer steps for each layer or block. Default 1000; the papers take 10,000 to 20,000. */
  steps?: number | undefined
  seed?: number | undefined
}

export interface Reconstruction {
  /** Levels of each weight, by its initializer's name. */
  levels: Map<string, Float32Array>
  /** Mean squared error of each segment's output with nearest and with learned levels, on the samples it was fitted to. */
  segments: { layers: string[]; nearest: number; learned: number }[]
  warnings: string[]
}

const STEPS = 1000
/** Adam's rate for V: the value of the authors of AIMET, which AdaRound comes from. */
const RATE = 1e-2
/** Share of the steps before the pull to 0 and 1 sets in; the exponent then falls from the first to the second (section 3.2 of AdaRound). */
const WARM_UP = 0.2
const BETA = [20, 2] as const
/** Weight of the pull. The error is measured in units of what nearest rounding makes of it, so that it holds for any size of values. */
const LAMBDA = 10
/** Samples are kept for one segment at a time, up to this many bytes; further batches are left out. */
const KEPT_BYTES = 2 ** 29

/**
 * Learns for each weight whether it is rounded up or down, so that the output of its layer or block stays what the float model's is, given inputs
 * from the layers that were rounded before. Sources: Nagel et al. 2020, arXiv:2004.10568, equations 21 to 25; Li et al. 2021, arXiv:2102.05426,
 * equation 10 and algorithm 1.
 * @param weights grids of the weights to round, by their layer's first output
 * Errors: OptionError without samples.
 */
export async function reconstruct(
  model: Model,
  weights: ReadonlyMap<string, GridWeight>,
  o: ReconstructOptions,
): Promise<Reconstruction> {
  const float = upgradeOpset(inlineFunctions(model)).model
  const rounded = cloneModel(float)
  const chosen = new Set(float.graph.nodes.filter((n) => weights.has(n.outputs[0]!)))
  const segments = (o.by === 'layer' ? layerSegments : blockSegments)(float.graph, chosen)
  const out: Reconstruction = { levels: new Map(), segments: [], warnings: [] }
  const weigh = o.by === 'block' ? await importance(float, o) : undefined
  try {
    for (const [i, segment] of segments.entries()) {
      o.signal?.throwIfAborted()
      const grids = segment.layers.map((n) => weights.get(n.outputs[0]!)!)
      const units = await collect(float, rounded, segment, o, weigh?.of)
      const found = await fitSegment(segment, float, grids, units, { ...o, seed: (o.seed ?? 0) + i })
      grids.forEach((grid, k) => {
        out.levels.set(grid.name, found.levels[k]!)
        rounded.graph.initializers.set(grid.name, valuesOf(grid, found.levels[k]!))
      })
      out.segments.push({ layers: segment.layers.map((n) => n.name || n.outputs[0]!), ...found.error })
      if (found.reason) out.warnings.push(found.reason)
    }
    const reason = weigh?.reason()
    if (reason) out.warnings.push(reason)
  } finally {
    await weigh?.release()
  }
  return out
}

/** One batch at a segment: what goes in after rounding so far, what the float model makes of it, how much each number matters. */
interface Unit {
  inputs: Record<string, Value>
  target: Value
  weight: Value | undefined
}

/** A model that computes no more than some values. */
function cut(model: Model, names: readonly string[]): Model {
  const copy = withOutputs(model, names)
  copy.graph.outputs = copy.graph.outputs.filter((v) => names.includes(v.name))
  eliminateDead.run(copy.graph)
  return copy
}

async function collect(
  float: Model,
  rounded: Model,
  { inputs, output }: Segment,
  o: ReconstructOptions,
  weigh: ((feeds: Feeds, output: string) => Promise<Value | undefined>) | undefined,
): Promise<Unit[]> {
  const fed = new Set(float.graph.inputs.map((v) => v.name))
  const made = inputs.filter((name) => !fed.has(name))
  const target = await createSession(cut(float, [output]), { threads: o.threads, name: 'float segment' })
  const before = made.length ? await createSession(cut(rounded, made), { threads: o.threads, name: 'rounded segment' }) : undefined
  const units: Unit[] = []
  let bytes = 0
  try {
    for await (const feeds of o.samples()) {
      o.signal?.throwIfAborted()
      const given = (names: readonly string[]) => Object.fromEntries(names.filter((n) => feeds[n]).map((n) => [n, feeds[n]!]))
      const y = (await target.run(given(target.inputs.map((p) => p.name))))[output]!
      const values = before ? await before.run(given(before.inputs.map((p) => p.name))) : {}
      const unit: Unit = {
        inputs: { ...given(inputs), ...Object.fromEntries(made.map((n) => [n, values[n]!])) },
        target: y,
        weight: await weigh?.(feeds, output),
      }
      const first = units[0]
      if (first && first.target.dims.join() !== y.dims.join()) continue
      bytes += 4 * (2 * y.size + Object.values(unit.inputs).reduce((n, v) => n + v.size, 0))
      if (units.length > 0 && bytes > KEPT_BYTES) break
      units.push(unit)
    }
  } finally {
    await target.release()
    await before?.release()
  }
  if (!units.length) throw new OptionError('expected at least one calibration sample, found none', { where: 'calibrationSamples' })
  return units
}

/** The segment as a function of its inputs, with weights given by name. */
function run(
  model: Model,
  segment: Segment,
  b: ReturnType<typeof newBuilder>,
  fed: ReadonlyMap<string, Tensor>,
  weights: ReadonlyMap<string, Tensor>,
): Tensor {
  const graph = makeGraph('segment')
  graph.nodes = segment.nodes
  const read = new Set(segment.nodes.flatMap((n: Node) => n.inputs))
  const constants = model.graph.nodes.filter((n) => n.op === 'Constant' && read.has(n.outputs[0]!) && !segment.nodes.includes(n))
  graph.nodes = [...constants, ...segment.nodes]
  graph.initializers = new Map([...model.graph.initializers].filter(([name]) => read.has(name)))
  return inlineGraph(b, graph, fed, { initializer: (name) => weights.get(name) }).get(segment.output)!
}

async function fitSegment(
  segment: Segment,
  model: Model,
  grids: readonly GridWeight[],
  units: readonly Unit[],
  o: ReconstructOptions,
): Promise<{ levels: Float32Array[]; error: { nearest: number; learned: number }; reason?: string }> {
  const nearest = grids.map(nearestLevels)
  const before = await errorOf(segment, model, grids, nearest, units, o)
  if (before === 0) return { levels: nearest, error: { nearest: 0, learned: 0 } }
  let levels: Float32Array[]
  try {
    levels = await learn(segment, model, grids, units, before, o)
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error
    return {
      levels: nearest,
      error: { nearest: before, learned: before },
      reason: `'${segment.output}' is rounded to nearest: ${error.message}`,
    }
  }
  const after = await errorOf(segment, model, grids, levels, units, o)
  // Learning can only help here: where too few steps made it worse, the nearest levels stay.
  return after < before
    ? { levels, error: { nearest: before, learned: after } }
    : { levels: nearest, error: { nearest: before, learned: before } }
}

/** Inputs, target and importance of one batch as inputs of a graph. */
function fedOf(b: ReturnType<typeof newBuilder>, unit: Unit) {
  const inputs = new Map(Object.entries(unit.inputs).map(([name, v]) => [name, b.input(name, v.dtype, v.dims)]))
  const target = b.input('target', 'float32', unit.target.dims)
  const weight = unit.weight && b.input('importance', 'float32', unit.weight.dims)
  return { inputs, target, weight }
}

const feedsOf = (unit: Unit): Record<string, Value> => ({
  ...unit.inputs,
  target: unit.target,
  ...(unit.weight ? { importance: unit.weight } : {}),
})

const squared = (y: Tensor, { target, weight }: { target: Tensor; weight: Tensor | undefined }): Tensor => {
  const d = y.sub(target).square()
  return (weight ? d.mul(weight) : d).mean()
}

/** Mean squared error of a segment over the batches with given levels. */
async function errorOf(
  segment: Segment,
  model: Model,
  grids: readonly GridWeight[],
  levels: readonly Float32Array[],
  units: readonly Unit[],
  o: RunOptions,
): Promise<number> {
  const b = newBuilder()
  const fed = fedOf(b, units[0]!)
  const weights = new Map(grids.map((g, i) => [g.name, b.constant(valuesOf(g, levels[i]!), g.name)]))
  const error = squared(run(model, segment, b, fed.inputs, weights), fed)
  const session = await createSession(b.model({ error }), { threads: o.threads, name: 'segment error' })
  try {
    let sum = 0
    for (const unit of units) sum += Number((await session.run(feedsOf(unit))).error!.data[0])
    return sum / units.length
  } finally {
    await session.release()
  }
}

async function learn(
  segment: Segment,
  model: Model,
  grids: readonly GridWeight[],
  units: readonly Unit[],
  unit: number,
  o: ReconstructOptions,
): Promise<Float32Array[]> {
  const adam = findOptimizer('adam')
  const options = parseOptions(adam) as Record<string, unknown>
  const b = newBuilder()
  const fed = fedOf(b, units[0]!)
  const v = grids.map((g, i) => b.input(`choice/${i}`, 'float32', g.dims))
  const slots = grids.map((g, i) => Object.fromEntries(adam.slots.map((s) => [s, b.input(`${s}/${i}`, 'float32', g.dims)])))
  const [beta, pull] = [b.input('beta', 'float32', []), b.input('pull', 'float32', [])]
  const scalars = Object.fromEntries(Object.keys(adam.hostScalars?.(0, options) ?? {}).map((s) => [s, b.input(s, 'float32', [])]))
  const h = v.map(rectified)
  const weights = new Map(grids.map((g, i) => [g.name, softWeight(b, g, h[i]!)]))
  const error = squared(run(model, segment, b, fed.inputs, weights), fed).mul(1 / unit)
  // Equation 24: sum of 1 - |2 h - 1|^beta, 0 where all is decided. The small number keeps the power's slope finite at 0.
  const open = h.map((t) => t.mul(2).sub(1).abs().add(1e-6).pow(beta).rsub(1).mean())
  const loss = error.add(open.reduce((s, t) => s.add(t)).mul(pull))
  const grads = gradientsOrNone(loss, v)
  const { updates } = optimizerStep(
    adam,
    options,
    v.map((p, i) => ({ p, g: grads[i] ?? b.zeros(p.shape), slots: slots[i]!, decay: false })),
    { lr: b.scalar(RATE), scalars },
  )
  const outputs = Object.fromEntries(
    updates.flatMap((u, i) => [
      [`next/choice/${i}`, u.p] as const,
      ...Object.entries(u.slots).map(([s, t]) => [`next/${s}/${i}`, t] as const),
    ]),
  )
  const lowered = lower(b, Object.values(outputs))
  const step = lowered.b.model(Object.fromEntries(Object.entries(outputs).map(([n, t]) => [n, lowered.at(t)])))
  const session = await createSession(step, { threads: o.threads, deterministic: o.threads === 1, name: 'rounding' })
  const state = new Map<string, Value>()
  grids.forEach((g, i) => {
    state.set(`choice/${i}`, Value.of('float32', g.dims, startOf(g)))
    for (const s of adam.slots) state.set(`${s}/${i}`, Value.of('float32', g.dims, new Float32Array(g.values.length)))
  })
  const total = o.steps ?? STEPS
  const draw = random(o.seed ?? 0, 'reconstruct', segment.output)
  try {
    for (let k = 0; k < total; k++) {
      o.signal?.throwIfAborted()
      const share = k / total
      const annealed = Math.max(0, (share - WARM_UP) / (1 - WARM_UP))
      const batch = units[Math.floor(draw.uniform(k) * units.length)]!
      const numbers = {
        ...adam.hostScalars?.(k, options),
        beta: BETA[1] + (BETA[0] - BETA[1]) * (1 - annealed),
        pull: share < WARM_UP ? 0 : LAMBDA,
      }
      const scalarFeeds = Object.fromEntries(Object.entries(numbers).map(([n, x]) => [n, Value.from('float32', [], [x])]))
      const made = await session.run({ ...feedsOf(batch), ...scalarFeeds, ...Object.fromEntries(state) })
      for (const name of state.keys()) state.set(name, made[`next/${name}`]!)
    }
  } finally {
    await session.release()
  }
  return grids.map((g, i) => hardLevels(g, state.get(`choice/${i}`)!.data as Float32Array))
}
