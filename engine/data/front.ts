/** From stored samples to what a model takes. The recipe of it is data: it is stored with a run and exported with the model. */
import { type z } from 'zod'
import { DataError, OptionError } from '../errors.ts'
import { audioFront, completeAudio, describeAudio, logMelSchema, waveformSchema } from './front/audio.ts'
import type { LogMelPreprocess, WaveformPreprocess } from './front/audio.ts'
import type { FrontEnd } from './front/frontEnd.ts'
import { completeGraph, graphFront, graphSchema, type GraphPreprocess } from './front/graph.ts'
import { completeTable, describeTable, tableFront, tableSchema, type TablePreprocess } from './front/table.ts'
import { completeTokens, describeTokens, tokensFront, tokensSchema, type TokensPreprocess } from './front/tokens.ts'
import { imageFront, parsePreprocess, type Preprocess } from './preprocess.ts'
import type { DataSet, InputSpec, SampleKind, TensorBatch } from './types.ts'

type Others = LogMelPreprocess | WaveformPreprocess | TablePreprocess | TokensPreprocess | GraphPreprocess

/** A document without `kind` is one of images. */
export type AnyPreprocess = Preprocess | Others

const SCHEMAS = {
  'log-mel': logMelSchema,
  waveform: waveformSchema,
  table: tableSchema,
  tokens: tokensSchema,
  graph: graphSchema,
}

/** Kinds of samples that each kind of document is for. */
const SAMPLES: Record<Others['kind'], SampleKind> = {
  'log-mel': 'audio',
  waveform: 'audio',
  table: 'table',
  tokens: 'tokens',
  graph: 'graph',
}

export const isImagePreprocess = (p: AnyPreprocess): p is Preprocess => !('kind' in p)

const kindOf = (document: unknown): unknown =>
  typeof document === 'object' && document !== null && 'kind' in document ? document.kind : undefined

/** Checks a stored or typed document. Throws OptionError naming the field. */
export function parseAnyPreprocess(document: unknown): AnyPreprocess {
  const kind = kindOf(document)
  if (kind === undefined) return parsePreprocess(document)
  const schema = SCHEMAS[kind as Others['kind']] as z.ZodType<Others> | undefined
  if (!schema)
    throw new OptionError(`expected one of ${Object.keys(SCHEMAS).join(', ')}, found ${JSON.stringify(kind)}`, {
      where: 'preprocess.kind',
    })
  const parsed = schema.safeParse(document)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new OptionError(issue!.message, { where: ['preprocess', ...issue!.path].join('.') })
}

/**
 * What a set without images is prepared with: what `given` says, and the rest from its training samples. Undefined for tensors, which
 * pass as they are. Throws OptionError for a document of another kind.
 */
export async function completePreprocess(
  set: DataSet,
  train: Int32Array,
  given: Readonly<Record<string, unknown>> = {},
): Promise<Others | undefined> {
  const kind = kindOf(given)
  if (kind !== undefined && SAMPLES[kind as Others['kind']] !== set.kind)
    throw new OptionError(`'${String(kind)}' is no preprocessing for samples of kind '${set.kind}'`, { where: 'preprocess.kind' })
  switch (set.kind) {
    case 'audio':
      return completeAudio(set, train, given)
    case 'table':
      return given['columns'] ? (parseAnyPreprocess(given) as TablePreprocess) : completeTable(set, train)
    case 'tokens':
      return completeTokens(set, train, given)
    case 'graph':
      return given['features'] ? (parseAnyPreprocess(given) as GraphPreprocess) : completeGraph(set, train)
    default:
      return undefined
  }
}

/** The front end of a set. Throws DataError where the document is for another kind of samples. */
export function frontEnd(set: DataSet, p: AnyPreprocess | undefined): FrontEnd {
  const expected = p === undefined ? 'tensor' : isImagePreprocess(p) ? 'image' : SAMPLES[p.kind]
  if (expected !== set.kind) {
    const message = `samples of kind '${set.kind}' need a preprocessing for them, found ${p ? `one for '${expected}'` : 'none'}`
    throw new DataError(message, { where: set.name })
  }
  if (p === undefined) return tensorFront(set)
  if (isImagePreprocess(p)) return imageFront(p)
  if (p.kind === 'table') return tableFront(p, set)
  if (p.kind === 'tokens') return tokensFront(p, set)
  if (p.kind === 'graph') return graphFront(p, set)
  return audioFront(p)
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1)

function tensorFront(set: DataSet): FrontEnd {
  const parts = set.parts ?? [{ name: 'x', shape: set.sample.shape }]
  const first = (raw: unknown) => (raw as TensorBatch).values
  const kept = { shape: set.parts ? [parts.reduce((n, part) => n + sizeOf(part.shape), 0)] : set.sample.shape, bytes: false }
  if (parts.length === 1) return { inputs: parts, kept, first, second: (rows) => [rows as Float32Array] }
  const width = kept.shape[0]!
  return {
    inputs: parts,
    kept,
    first,
    second(rows, count) {
      let start = 0
      return parts.map(({ shape }) => {
        const size = sizeOf(shape)
        const out = new Float32Array(count * size)
        for (let n = 0; n < count; n++) out.set(rows.subarray(n * width + start, n * width + start + size), n * size)
        start += size
        return out
      })
    },
  }
}

/** Inputs of one sample, the shared ones last and whole. */
export const inputsOf = (set: DataSet, p: AnyPreprocess | undefined): InputSpec[] => [
  ...frontEnd(set, p).inputs,
  ...(set.shared ?? []).map(({ name, shape }) => ({ name, shape })),
]

/** Inputs of a batch, whole; a graph is one batch whatever `batch` says. */
export function batchInputs(set: DataSet, p: AnyPreprocess | undefined, batch: number): InputSpec[] {
  const lead = set.kind === 'graph' ? set.length : batch
  const own = frontEnd(set, p).inputs.map(({ name, shape }) => ({ name, shape: [lead, ...shape] }))
  return [...own, ...(set.shared ?? []).map(({ name, shape, values }) => ({ name, shape, values }))]
}

/** One line for the person; undefined for images, which say it themselves. */
export function describeFront(p: Others): string {
  if (p.kind === 'table') return describeTable(p)
  if (p.kind === 'tokens') return describeTokens(p)
  if (p.kind === 'graph') return p.features === 'row-sum' ? 'features of a node over their sum' : 'features of a node as they are'
  return describeAudio(p)
}
