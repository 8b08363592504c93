import { performance } from 'node:perf_hooks'
import { StillroomError } from '../errors.ts'
import { capturedBy, isConcrete, makeNode, subgraphs, tensorType, type DataType, type Graph, type Model } from '../ir/index.ts'
import type { TensorType } from '../ops/index.ts'
import { createSession } from '../session/index.ts'
import { bindDims, dtypeOf, fedInputs, isSymbolic, sampleFeeds, TRIAL_SIZES } from './samples.ts'

export interface Probe {
  /** Exact types of the values of the main graph, as far as they could be found: inputs, initializers, node outputs. */
  types: Map<string, TensorType>
  /** Shape that each input was given. */
  inputs: Map<string, readonly number[]>
  /** Node outputs whose shape stayed unknown: non-tensors, or all where no trial input fits the model. */
  unknown: string[]
}

export interface ProbeOptions {
  /** Size of the batch dimension, where it is free. Default 1. */
  batch?: number
  /** Shapes to feed, where they are known already. */
  inputs?: ReadonlyMap<string, readonly number[]>
  /** No further trial begins after this many milliseconds. Default 3000. */
  limitMs?: number
}

type Dims = ReadonlyMap<string, readonly number[]>

/**
 * Exact shapes and element types by asking ONNX Runtime, for any operator that it has. Input dimensions are fixed, every value
 * is made an output, and the runtime's own inference answers without a run; what it leaves open is answered by running the
 * model once with a `Shape` on each such value.
 * Errors: those of loading the model.
 */
export async function probeTypes(model: Model, options: ProbeOptions = {}): Promise<Probe> {
  const { graph } = model
  const limit = performance.now() + (options.limitMs ?? 3000)
  const sizes = !options.inputs && isSymbolic(graph) ? TRIAL_SIZES : TRIAL_SIZES.slice(0, 1)
  let best: Probe | undefined
  let failure: unknown
  for (const size of sizes) {
    if (performance.now() > limit && (best ?? failure)) break
    const dims = options.inputs ?? bindDims(graph, size, options.batch ?? 1)
    try {
      const { probe, complete } = await trial(model, dims)
      if (complete) return probe
      if (!best || probe.unknown.length < best.unknown.length) best = probe
    } catch (error) {
      if (!(error instanceof StillroomError)) throw error
      failure ??= error
    }
  }
  if (best) return best
  throw failure
}

/** One choice of input shapes. Not `complete` when a run was needed and failed: another choice may do better. */
async function trial(model: Model, dims: Dims): Promise<{ probe: Probe; complete: boolean }> {
  const { graph } = model
  const types = new Map<string, TensorType>()
  for (const [name, data] of graph.initializers) types.set(name, { dtype: data.dtype, shape: data.dims })
  for (const input of fedInputs(graph)) {
    const dtype = dtypeOf(input)
    if (dtype) types.set(input.name, { dtype, shape: dims.get(input.name)! })
  }
  const values = [...new Set(graph.nodes.flatMap((n) => n.outputs.filter((v) => v !== '')))]
  const open = await infer(model, dims, values, types)
  let complete = true
  if (open.size) {
    try {
      for (const [name, shape] of await measure(model, dims, [...open.keys()])) types.set(name, { dtype: open.get(name)!, shape })
    } catch (error) {
      if (!(error instanceof StillroomError)) throw error
      complete = false
    }
  }
  return { probe: { types, inputs: new Map(dims), unknown: values.filter((v) => !types.has(v)) }, complete }
}

/**
 * The runtime's static inference. Fills `types` with what is certain and returns the tensors that are not, with their element
 * type. A rank of 0 is not certain: an unknown rank looks the same.
 */
async function infer(model: Model, dims: Dims, values: string[], types: Map<string, TensorType>): Promise<Map<string, DataType>> {
  const open = new Map<string, DataType>()
  if (values.length === 0) return open
  const session = await createSession(withOutputs(model, dims, values), { level: 'disabled', threads: 1 })
  for (const { name, dtype, shape } of session.outputs) {
    if (!dtype || !shape) continue
    if (shape.length && isConcrete(shape)) types.set(name, { dtype, shape })
    else open.set(name, dtype)
  }
  await session.release()
  return open
}

/** Shapes of values by one run of the nodes that they depend on. */
async function measure(model: Model, dims: Dims, values: readonly string[]): Promise<Map<string, readonly number[]>> {
  const feeds = sampleFeeds(model.graph, dims)
  if (!feeds) return new Map()
  const probe = withOutputs(model, dims, [])
  const { graph } = probe
  graph.nodes = ancestors(graph, values)
  // Shapes only: as outputs, the values themselves would all stay in memory to the end.
  const names = values.map((_, i) => `stillroom.shape.${i}`)
  values.forEach((value, i) => graph.nodes.push(makeNode('Shape', [value], [names[i]!])))
  graph.outputs = names.map((name) => ({ name, type: undefined }))
  const session = await createSession(probe, { level: 'disabled' })
  const shapes = await session.run(feeds, names)
  await session.release()
  return new Map(values.map((value, i) => [value, Array.from(shapes[names[i]!]!.data, Number)]))
}

/** The model with fixed input shapes and other outputs; notes about intermediate shapes go, they may be for another batch. */
function withOutputs(model: Model, dims: Dims, outputs: readonly string[]): Model {
  const { graph } = model
  const inputs = graph.inputs.map((v) => {
    const shape = dims.get(v.name)
    return shape && v.type?.kind === 'tensor' ? { name: v.name, type: tensorType(v.type.dtype, shape) } : v
  })
  const made: Graph = {
    ...graph,
    origin: undefined,
    values: new Map(),
    inputs,
    outputs: outputs.map((name) => ({ name, type: undefined })),
  }
  return { ...model, origin: undefined, graph: made }
}

/** Nodes that some values depend on, in order; what a node's subgraphs take counts. */
export function ancestors(graph: Graph, values: Iterable<string>): Graph['nodes'] {
  const needed = new Set(values)
  const kept: Graph['nodes'] = []
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((v) => needed.has(v))) continue
    kept.push(node)
    for (const v of node.inputs) needed.add(v)
    for (const sub of subgraphs(node)) for (const v of capturedBy(sub)) needed.add(v)
  }
  return kept.reverse()
}
