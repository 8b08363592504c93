import { UnsupportedError } from '../errors.ts'
import { isFloat, sizeOf, TensorData, tensorType, type Graph, type Model, type Node, type ValueInfo } from '../ir/index.ts'
import type { TensorType } from '../ops/index.ts'
import { createSession, Value, type Feeds, type Session } from '../session/index.ts'
import { probeTypes } from './probe.ts'
import { fedInputs, sampleFeeds, shapeOf } from './samples.ts'
import { constantsOf } from './table.ts'
import { findLogits } from './taps.ts'

/** Name of the batch dimension in re-batched models. */
export const BATCH = 'batch'

/** Groups of the old batch size that the check runs, together and one by one. */
const GROUPS = 3
/** Fewer where the file itself says that its batch is free. */
const GROUPS_IF_FREE = 2
const TOLERANCE = 1e-5

/** Inputs whose constants may carry the batch: operator to the position of the shape input. */
const SHAPE_INPUTS: Record<string, number> = { Reshape: 1, Expand: 1, ConstantOfShape: 0 }

/**
 * A model exported with a fixed batch, made to take any. The batch is the leading dimension of the first input and of every
 * other input of equal leading size. Constants that carry it are found in the shapes of Reshape and Expand, and replaced by "copy
 * from the input" (0) or "what is left" (-1). The result is checked: outputs for three random samples together
 * equal those of three single runs, within 1e-5. A model whose batch is free already is checked as well and returned as it is.
 * Errors: UnsupportedError when outputs do not agree; such a model is run sample by sample.
 */
export async function rebatch(model: Model): Promise<Model> {
  const { graph } = model
  const first = fedInputs(graph)[0]
  const lead = first && shapeOf(first)?.[0]
  if (lead === undefined) throw refuse('the first input has no leading dimension')
  const { types, inputs: single } = await probeTypes(model)
  const old = single.get(first!.name)![0]!
  if (old === 0) throw refuse(`the leading dimension of input '${first!.name}' is 0`)
  const batched = new Set(fedInputs(graph).flatMap((v) => (shapeOf(v)?.[0] === lead && shapeOf(v)!.length > 0 ? [v.name] : [])))
  const made = typeof lead === 'string' ? model : { ...model, graph: freeBatch(graph, batched, old, types) }
  await check(model, made, batched, single)
  return made
}

const refuse = (why: string, cause?: unknown): UnsupportedError =>
  new UnsupportedError(`the batch size of this model cannot be changed: ${why}`, {
    hint: 'it is run sample by sample, and its outputs are cached',
    ...(cause === undefined ? {} : { cause }),
  })

/** The graph with a free leading dimension in `batched` inputs, and constants that say `old` made relative. */
function freeBatch(graph: Graph, batched: ReadonlySet<string>, old: number, types: ReadonlyMap<string, TensorType>): Graph {
  const constants = constantsOf(graph)
  const initializers = new Map(graph.initializers)
  const nodes: Node[] = []
  for (const node of graph.nodes) {
    const at = node.domain === '' ? SHAPE_INPUTS[node.op] : undefined
    const target = at === undefined ? undefined : constants.get(node.inputs[at] ?? '')
    const shape = target && relativeShape(node, Array.from(target.numbers()), old, types)
    if (!shape) {
      nodes.push(node)
      continue
    }
    // A name of its own: other nodes may read the same constant for another purpose.
    const name = `${node.outputs[0]}.${BATCH}_shape`
    initializers.set(name, TensorData.int64(shape))
    nodes.push({ ...node, inputs: node.inputs.map((v, i) => (i === at ? name : v)), origin: undefined })
  }
  const free = (v: ValueInfo, leads: boolean): ValueInfo =>
    leads && v.type?.kind === 'tensor' && v.type.shape?.[0] === old
      ? { name: v.name, type: tensorType(v.type.dtype, [BATCH, ...v.type.shape.slice(1)]) }
      : v
  return {
    ...graph,
    origin: undefined,
    nodes,
    initializers,
    inputs: graph.inputs.map((v) => free(v, batched.has(v.name))),
    outputs: graph.outputs.map((v) => free(v, true)),
    // Notes about intermediate shapes were made for the old batch.
    values: new Map(),
  }
}

/** The target shape with the leading batch made relative; undefined when it does not lead with the batch or cannot be. */
function relativeShape(node: Node, shape: number[], old: number, types: ReadonlyMap<string, TensorType>): number[] | undefined {
  if (shape[0] !== old || node.op !== 'Reshape') return undefined
  const input = types.get(node.inputs[0]!)?.shape
  const output = types.get(node.outputs[0]!)?.shape
  const allowZero = node.attrs.get('allowzero')
  if (input?.[0] === old && !(allowZero?.type === 'int' && Number(allowZero.value) === 1)) return [0, ...shape.slice(1)]
  // The batch is part of another dimension there: let it be what remains, with all others exact.
  if (!shape.includes(-1)) return [-1, ...shape.slice(1)]
  return output ? [-1, ...output.slice(1)] : undefined
}

/** Runs both models on the same random samples and compares every output. */
async function check(
  model: Model,
  made: Model,
  batched: ReadonlySet<string>,
  single: ReadonlyMap<string, readonly number[]>,
): Promise<void> {
  const groups = Array.from({ length: made === model ? GROUPS_IF_FREE : GROUPS }, (_, i) => sampleFeeds(model.graph, single, i + 1))
  const [shared] = groups
  if (!shared || groups.includes(undefined)) throw refuse('its inputs are not plain tensors')
  const together: Record<string, Value> = {}
  for (const [name, value] of Object.entries(shared))
    together[name] = batched.has(name) ? stack(groups.map((g) => g![name]!)) : value
  const open: Session[] = []
  try {
    const before = await createSession(judged(model))
    open.push(before)
    const after = made === model ? before : await createSession(judged(made))
    if (after !== before) open.push(after)
    const names = before.outputs.flatMap((p) => (p.dtype ? [p.name] : []))
    const whole = await after.run(together, names)
    // Inputs without the batch (a sample rate, say) are the same in every run.
    const singles = []
    for (const group of groups) singles.push(await before.run({ ...group, ...unbatched(shared, batched) }, names))
    for (const name of names)
      compare(
        name,
        whole[name]!,
        singles.map((s) => s[name]!),
      )
  } catch (error) {
    if (error instanceof UnsupportedError) throw error
    throw refuse((error as Error).message, error)
  } finally {
    for (const session of open) await session.release()
  }
}

/**
 * The model with the outputs that are compared: its float tensors, and the logits. Labels, maps and lists that exporters append
 * for display often keep a batch of their own.
 */
function judged(model: Model): Model {
  const { graph } = model
  const floats = graph.outputs.filter((v) => v.type?.kind === 'tensor' && isFloat(v.type.dtype))
  const logits = findLogits(model).value
  const outputs = floats.some((v) => v.name === logits) ? floats : [...floats, { name: logits, type: undefined }]
  return { ...model, origin: undefined, graph: { ...graph, origin: undefined, outputs } }
}

const unbatched = (feeds: Feeds, batched: ReadonlySet<string>): Feeds =>
  Object.fromEntries(Object.entries(feeds).filter(([name]) => !batched.has(name)))

function stack(values: readonly Value[]): Value {
  const first = values[0]!
  const dims = [first.dims[0]! * values.length, ...first.dims.slice(1)]
  if (first.dtype === 'string')
    return Value.strings(
      dims,
      values.flatMap((v) => v.text),
    )
  const bytes = values.map((v) => v.toTensor().bytes)
  const all = new Uint8Array(bytes.reduce((n, b) => n + b.length, 0))
  let at = 0
  for (const b of bytes) {
    all.set(b, at)
    at += b.length
  }
  return Value.fromTensor(new TensorData(first.dtype, dims, () => all))
}

/** Rows of `whole` against the single runs; numbers within `TOLERANCE`, relative above 1. */
function compare(name: string, whole: Value, singles: readonly Value[]): void {
  const each = singles[0]!.dims
  if (whole.dtype === 'string') throw refuse(`output '${name}' is text`)
  const expected = [each[0]! * singles.length, ...each.slice(1)]
  if (each.length === 0 || whole.dims.join() !== expected.join())
    throw refuse(
      `output '${name}' has shape [${whole.dims.join(', ')}] for ${singles.length} samples, expected [${expected.join(', ')}]`,
    )
  const size = sizeOf(each)
  const all = whole.numbers()
  for (const [g, one] of singles.entries()) {
    for (const [i, v] of one.numbers().entries()) {
      const difference = Math.abs(all[g * size + i]! - v)
      if (!(difference <= TOLERANCE * Math.max(1, Math.abs(v))) && !Object.is(all[g * size + i], v))
        throw refuse(`output '${name}' of a sample differs by ${difference.toExponential(1)} when others are run beside it`)
    }
  }
}
