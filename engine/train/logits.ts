import { sequential, type AnyPreprocess, type Batch, type BatchInput, type DataSet } from '../data/index.ts'
import { createSession, type Provider } from '../session/index.ts'
import { bindInputs, feedsOf } from './bindInputs.ts'
import { inGroups, type Rows } from './groups.ts'
import type { Net } from './program.ts'

export interface Samples {
  dataset: DataSet
  preprocess: AnyPreprocess | undefined
}

export interface Answers {
  /** Row-major, one for each sample. */
  rows: Float32Array
  /** Numbers in a row. */
  classes: number
  /** Shape of a row. */
  shape: readonly number[]
}

/** Some rows of `width` numbers, in the order asked for. */
export function pickRows(from: Float32Array, rows: Int32Array, width: number): Float32Array {
  const out = new Float32Array(rows.length * width)
  rows.forEach((row, n) => out.set(from.subarray(row * width, (row + 1) * width), n * width))
  return out
}

interface AnswerOptions {
  threads?: number | undefined
  provider?: Provider
  batch?: number
  signal?: AbortSignal
}

export interface Answerer {
  /** Answers to a batch whose inputs are whole; the first leads with the batch. */
  rowsOf(inputs: readonly BatchInput[]): Promise<Rows>
  release(): Promise<void>
}

/** Opens a network to be asked for its logits, whatever its batch size. */
export async function openAnswerer(
  net: Pick<Net, 'model' | 'logits' | 'group'>,
  { threads, provider = 'cpu' }: Pick<AnswerOptions, 'threads' | 'provider'>,
): Promise<Answerer> {
  const { graph } = net.model
  const session = await createSession(withOutput(net), { threads, provider, name: graph.name })
  const run = async (inputs: readonly BatchInput[]): Promise<Rows> => {
    const bound = bindInputs(graph, inputs)
    const out = await session.run(feedsOf(bound, inputs), [net.logits])
    const logits = out[net.logits]!
    const single = bound.some((b) => b.single)
    return { rows: logits.data as Float32Array, shape: single ? [logits.size] : logits.dims.slice(1) }
  }
  const { group } = net
  return {
    rowsOf: (inputs) => (group === undefined ? run(inputs) : inGroups(run, inputs, inputs[0]!.shape[0]!, group)),
    release: () => session.release(),
  }
}

/** A model's answers batch by batch, with the batches. */
export async function* answersOf(
  net: Pick<Net, 'model' | 'logits' | 'group'>,
  samples: Samples,
  indices: Int32Array,
  options: AnswerOptions = {},
): AsyncGenerator<{ batch: Batch; rows: Float32Array; shape: readonly number[] }> {
  const answerer = await openAnswerer(net, options)
  try {
    const { dataset, preprocess } = samples
    for await (const batch of sequential({ dataset, indices, batch: options.batch ?? 128, preprocess })) {
      options.signal?.throwIfAborted()
      const { rows: all, shape } = await answerer.rowsOf(batch.inputs)
      const rows = batch.rows ? pickRows(all, batch.rows, all.length / batch.index.length) : Float32Array.from(all)
      yield { batch, rows, shape }
    }
  } finally {
    await answerer.release()
  }
}

/** Logits of samples, row by row in the order of `indices`. */
export async function logitsOf(
  net: Pick<Net, 'model' | 'logits' | 'group'>,
  samples: Samples,
  indices: Int32Array,
  options: AnswerOptions = {},
): Promise<Answers> {
  const parts: Float32Array[] = []
  let shape: readonly number[] = []
  for await (const answer of answersOf(net, samples, indices, options)) {
    parts.push(answer.rows)
    shape = answer.shape
  }
  const classes = shape.reduce((n, d) => n * d, 1)
  const rows = new Float32Array(indices.length * classes)
  let at = 0
  for (const part of parts) {
    rows.set(part, at)
    at += part.length
  }
  return { rows, classes, shape }
}

/** The model with its logits as an output. */
function withOutput(net: Pick<Net, 'model' | 'logits'>): Net['model'] {
  const { model } = net
  if (model.graph.outputs.some((v) => v.name === net.logits)) return model
  const info = model.graph.values.get(net.logits) ?? {
    name: net.logits,
    type: { kind: 'tensor' as const, dtype: 'float32' as const, shape: undefined },
  }
  return { ...model, graph: { ...model.graph, outputs: [...model.graph.outputs, info] } }
}
