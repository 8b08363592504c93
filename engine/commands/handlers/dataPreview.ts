import {
  fitImages,
  isImagePreprocess,
  normalisePixels,
  openDataSet,
  parsePreprocess,
  type DataSet,
  type Image,
  type Preprocess,
  type RawBatch,
} from '../../data/index.ts'
import { choosePreprocess, openPredictor } from '../../evaluate/index.ts'
import { random } from '../../random.ts'
import { thin, type ParsedInput } from '../contract/index.ts'
import { handler } from './handler.ts'

type Input = ParsedInput<'data.preview'>
type Pictures = Extract<RawBatch, { kind: 'image' | 'images' }>
type Chosen = { document: Preprocess; source: string; text: string }

/** Numbers of a tensor that are enough for a line drawing. */
const VALUES = 256
/** Tokens that are shown of a text. */
const CELLS = 32

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')

/** Sample numbers, ascending: a seeded choice, so that the same sheet comes again. */
function drawn(set: DataSet, count: number, seed: number): Int32Array {
  if (set.length <= count) return Int32Array.from({ length: set.length }, (_, i) => i)
  const order = random(seed, 'preview').permutation(set.length)
  return Int32Array.from(order.subarray(0, count)).sort()
}

/** Picture `i` of a batch, no longer than `size` on its longest side. */
function picture(raw: Pictures, i: number, size: number) {
  const image = imageAt(raw, i)
  const { height, width, channels } = image
  const share = Math.min(1, size / Math.max(height, width))
  const to: [number, number] = [Math.max(1, Math.round(height * share)), Math.max(1, Math.round(width * share))]
  const each = new Array<number>(channels).fill(0)
  const p = parsePreprocess({ channels: channels === 1 ? 'gray' : 'rgb', size: to, mean: each, std: each.map(() => 1) })
  const pixels = fitImages({ kind: 'images', count: 1, images: [image] }, p)
  return { width: to[1], height: to[0], channels, pixels: base64(pixels) }
}

function imageAt(raw: Pictures, i: number): Image {
  if (raw.kind === 'images') return raw.images[i]!
  const [height, width, channels] = raw.shape
  const area = height * width * channels
  return { pixels: raw.pixels.subarray(i * area, (i + 1) * area), height, width, channels, name: `sample ${i}` }
}

/** Extremes of one tensor's numbers, in order. */
function outline(values: Float32Array): number[] {
  return thin(values, VALUES).map((i) => (Number.isFinite(values[i]!) ? values[i]! : 0))
}

/** What a model would be fed, as a picture: the fitted pixels, and the range of the numbers they become. */
function prepared(raw: Pictures, i: number, p: Preprocess) {
  const one = { kind: 'images' as const, count: 1, images: [imageAt(raw, i)] }
  const pixels = fitImages(one, p)
  const values = normalisePixels(pixels, 1, p)
  let [min, max, sum] = [Infinity, -Infinity, 0]
  for (const v of values) {
    min = Math.min(min, v)
    max = Math.max(max, v)
    sum += v
  }
  const [height, width] = p.size
  const channels = p.channels === 'gray' ? 1 : 3
  return { picture: { width, height, channels, pixels: base64(pixels) }, min, max, mean: sum / values.length }
}

async function preprocessOf(set: DataSet, input: Input): Promise<Chosen | undefined> {
  if (set.kind !== 'image') return undefined
  if (typeof input.preprocess === 'object') {
    return { document: parsePreprocess(input.preprocess), source: 'given', text: 'as it was edited' }
  }
  if (input.model === undefined) return undefined
  const predictor = await openPredictor(input.model, { threads: input.threads, provider: input.provider })
  try {
    const { preprocess, source, text } = await choosePreprocess(predictor, set, { wanted: input.preprocess, seed: input.seed })
    return preprocess && isImagePreprocess(preprocess) ? { document: preprocess, source, text } : undefined
  } finally {
    await predictor.release()
  }
}

/** One sample in the form that suits its kind. */
export function sampleView(raw: RawBatch, i: number, size: number, document: Preprocess | undefined) {
  if (raw.kind === 'image' || raw.kind === 'images') {
    const { height, width, channels } = imageAt(raw, i)
    const after = document ? { prepared: prepared(raw, i, document) } : {}
    return { shape: [height, width, channels], picture: picture(raw, i, size), ...after }
  }
  if (raw.kind === 'tensor') {
    const length = raw.values.length / raw.count
    return { shape: [...raw.shape], values: outline(raw.values.subarray(i * length, (i + 1) * length)) }
  }
  if (raw.kind === 'audio') {
    const { samples } = raw.recordings[i]!
    return { shape: [samples.length], values: outline(samples) }
  }
  const cells = raw.kind === 'table' ? raw.columns.map((column) => column[i]!) : raw.ids[i]!.slice(0, CELLS)
  return { shape: [raw.kind === 'table' ? cells.length : raw.ids[i]!.length], cells }
}

/** A contact sheet. Everything is read through the data set's own reader, so what is shown is what training would see. */
export default handler<'data.preview'>(async (input) => {
  const set = await openDataSet(input.path)
  const chosen = await preprocessOf(set, input)
  const indices = drawn(set, input.count, input.seed)
  const raw = await set.read(indices)
  const samples = [...indices].map((index, i) => {
    const number = set.labels?.[index]
    const label = number === undefined ? {} : { label: set.classes?.[number] ?? String(number) }
    return { index, ...label, ...sampleView(raw, i, input.size, chosen?.document) }
  })
  return { kind: set.kind, samples, ...balance(set), ...(chosen ? { preprocess: chosen } : {}) }
})

/** Samples of each class. */
function balance(set: DataSet): { classes?: { name: string; count: number }[] } {
  if (!set.labels || !set.classes) return {}
  const counts = new Array<number>(set.classes.length).fill(0)
  for (const label of set.labels) counts[label]!++
  return { classes: set.classes.map((name, i) => ({ name, count: counts[i]! })) }
}
