import { existsSync, readFileSync } from 'node:fs'
import {
  channelCount,
  completePreprocess,
  describeFront,
  fitImages,
  hintsFromMetadata,
  isImagePreprocess,
  makeSplits,
  normalisePixels,
  parseAnyPreprocess,
  parsePreprocess,
  pixelStatistics,
  PROBES,
  probePictures,
  rankNormalisations,
  scoreNormalisation,
  usualNormalisations,
  type AnyPreprocess,
  type DataSet,
  type Normalisation,
  type NormalisationScore,
  type Preprocess,
  type Probe,
  type RankedNormalisation,
} from '../data/index.ts'
import { DataError, OptionError } from '../errors.ts'
import { random } from '../random.ts'
import type { Predictor } from './predictor.ts'

/** Where this program keeps a model's preprocessing inside the file. */
export const PREPROCESS_KEY = 'stillroom.preprocess'
/** Samples that rank the usual normalisations: at most, and at least for large images, whose sum of input numbers is bounded. */
const SAMPLES = [256, 64] as const
const NUMBERS = 3_200_000

export interface ChosenPreprocess {
  /** Undefined for plain tensors: samples pass as they are. */
  preprocess: AnyPreprocess | undefined
  /** `given` by the person, from the model's `metadata`, `ranked` by the model's own answers, `assumed`, or `none` for tensors. */
  source: 'given' | 'metadata' | 'ranked' | 'assumed' | 'none'
  /** One line for the person. */
  text: string
  /** Best first, where candidates were ranked. */
  ranking?: RankedNormalisation[]
}

export interface ChooseOptions {
  /** `auto`, the id of a usual normalisation, or a JSON file. */
  wanted?: string
  /** Samples to rank by; default: a seeded choice from all. */
  indices?: Int32Array
  /** Judge by accuracy where the set has labels. Default true. */
  labels?: boolean
  seed?: number
}

/**
 * How images become this model's input. Size and layout follow from its input; the normalisation from what the person says, else from
 * the file's metadata, else the usual ones are tried on up to 256 samples and ranked by the model's own answers.
 * Errors: OptionError for an unknown name or a bad document; DataError when the model takes no images.
 */
export async function choosePreprocess(model: Predictor, set: DataSet, options: ChooseOptions = {}): Promise<ChosenPreprocess> {
  const { wanted = 'auto' } = options
  if (set.kind !== 'image') {
    const stored = model.metadata.get(PREPROCESS_KEY)
    if (wanted === 'auto' && stored !== undefined && set.kind !== 'tensor') {
      const preprocess = parseAnyPreprocess(JSON.parse(stored))
      const text = isImagePreprocess(preprocess) ? describe(preprocess) : describeFront(preprocess)
      return { preprocess, source: 'metadata', text: `preprocessing from the model file: ${text}` }
    }
    return prepared(set, options.indices ?? makeSplits(set, { seed: options.seed ?? 0 }).train, wanted)
  }
  if (wanted !== 'auto' && existsSync(wanted)) {
    const preprocess = parsePreprocess(readDocument(wanted))
    return { preprocess, source: 'given', text: `preprocessing from ${wanted}: ${describe(preprocess)}` }
  }
  const stored = model.metadata.get(PREPROCESS_KEY)
  if (wanted === 'auto' && stored !== undefined) {
    const preprocess = parsePreprocess(JSON.parse(stored))
    return { preprocess, source: 'metadata', text: `preprocessing from the model file: ${describe(preprocess)}` }
  }
  const geometry = geometryOf(model, set)
  const pixels = await samplePixels(set, geometry, options)
  const known = usualNormalisations(channelCount(geometry), pixelStatistics(pixels.bytes, channelCount(geometry)))
  const complete = (n: Pick<Normalisation, 'channels' | 'scale' | 'mean' | 'std'>): Preprocess =>
    parsePreprocess({ ...geometry, channels: n.channels, scale: n.scale, mean: n.mean, std: n.std })
  if (wanted !== 'auto') {
    const named = known.find((n) => n.id === wanted)
    if (!named)
      throw new OptionError(`expected auto, a JSON file or one of ${known.map((n) => n.id).join(', ')}, found '${wanted}'`, {
        where: 'preprocess',
      })
    return { preprocess: complete(named), source: 'given', text: `preprocessing '${named.id}' (${named.title})` }
  }
  const hints = hintsFromMetadata(Object.fromEntries(model.metadata))
  if (hints.mean && hints.std && hints.scale !== undefined && hints.channels) {
    const preprocess = complete({ channels: hints.channels, scale: hints.scale, mean: hints.mean, std: hints.std })
    return { preprocess, source: 'metadata', text: `preprocessing from the image metadata of the model: ${describe(preprocess)}` }
  }
  const candidates = known.filter((n) => (hints.channels ?? n.channels) === n.channels && (hints.scale ?? n.scale) === n.scale)
  const ranking = await rank(model, candidates.length ? candidates : known, complete, pixels, geometry, options)
  const [best, second] = ranking
  if (!best) {
    const unit = known.find((n) => n.id === 'unit')!
    return {
      preprocess: complete(unit),
      source: 'assumed',
      text: 'the model is no classifier, so pixels in 0..1 are assumed; state --preprocess otherwise',
    }
  }
  const by = best.accuracy === undefined ? 'its confidence and stability' : 'accuracy'
  const next = second ? `, next ${second.id} ${second.score.toFixed(3)}` : ''
  return {
    preprocess: complete(best),
    source: 'ranked',
    ranking,
    text: `preprocessing '${best.id}' (${best.title}) ranked first by ${by}: ${best.score.toFixed(3)}${next}`,
  }
}

/** How samples that are no images are prepared: by the document asked for, and for the rest by what suits the training samples. */
export async function prepared(set: DataSet, train: Int32Array, wanted: string): Promise<ChosenPreprocess> {
  if (wanted !== 'auto' && !existsSync(wanted))
    throw new OptionError(`expected auto or a JSON file for samples of kind '${set.kind}', found '${wanted}'`, {
      where: 'preprocess',
    })
  const given = wanted === 'auto' ? {} : (readDocument(wanted) as Record<string, unknown>)
  const preprocess = await completePreprocess(set, train, given)
  if (!preprocess) return { preprocess, source: 'none', text: 'samples are tensors and pass as they are' }
  return { preprocess, source: wanted === 'auto' ? 'assumed' : 'given', text: describeFront(preprocess) }
}

export const describe = (p: Preprocess): string =>
  `${p.channels} ${p.size.join('x')} ${p.layout}, (pixel * ${+p.scale.toPrecision(4)} - [${p.mean.join(', ')}]) / [${p.std.join(', ')}]`

function readDocument(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new OptionError(`not a JSON document: ${(cause as Error).message}`, { where: file, cause })
  }
}

/** Size, channels and layout that the model's input asks for; free sizes are those of the data set. */
function geometryOf(model: Predictor, set: DataSet): Preprocess {
  const { shape, name, dtype } = model.input
  const isChannels = (d: unknown) => d === 1 || d === 3
  const layout = isChannels(shape[1]) ? 'NCHW' : isChannels(shape[3]) ? 'NHWC' : undefined
  if (shape.length !== 4 || !layout)
    throw new DataError(`input '${name}' [${shape.join(', ')}] does not take images of 1 or 3 channels`, {
      where: model.name,
      hint: 'give the data as tensors (NPY, NPZ)',
    })
  const channels = layout === 'NCHW' ? shape[1] : shape[3]
  const wanted = layout === 'NCHW' ? [shape[2], shape[3]] : [shape[1], shape[2]]
  const own = set.sample.shape
  const size = wanted.map((d, i) => (typeof d === 'number' ? d : own[i] || 224))
  const resize = size.every((d, i) => d === own[i]) ? 'none' : 'stretch'
  const each = (v: number) => new Array<number>(Number(channels)).fill(v)
  return parsePreprocess({
    channels: channels === 1 ? 'gray' : 'rgb',
    size,
    resize,
    layout,
    mean: each(0),
    std: each(1),
    ...(dtype === 'float32' ? {} : { dtype }),
  })
}

interface Pixels {
  bytes: Uint8Array
  count: number
  labels: Int32Array | undefined
}

async function samplePixels(set: DataSet, geometry: Preprocess, options: ChooseOptions): Promise<Pixels> {
  const from = options.indices ?? Int32Array.from({ length: set.length }, (_, i) => i)
  const order = random(options.seed ?? 0, 'normalisation-samples').permutation(from.length)
  const [most, least] = SAMPLES
  const count = Math.max(
    least,
    Math.min(most, Math.floor(NUMBERS / (geometry.size[0] * geometry.size[1] * channelCount(geometry)))),
  )
  const indices = order.slice(0, count).map((at) => from[at]!)
  const raw = await set.read(indices)
  if (raw.kind !== 'image' && raw.kind !== 'images') throw new DataError('expected images', { where: set.name })
  const labels = options.labels === false || !set.labels ? undefined : indices.map((i) => set.labels![i]!)
  return { bytes: fitImages(raw, geometry), count: indices.length, labels }
}

/** Runs the probes under every candidate; empty when the answers are no class scores. */
async function rank(
  model: Predictor,
  candidates: readonly Normalisation[],
  complete: (n: Normalisation) => Preprocess,
  pixels: Pixels,
  geometry: Preprocess,
  options: ChooseOptions,
): Promise<RankedNormalisation[]> {
  const pictures = probePictures(pixels.bytes, [...geometry.size, channelCount(geometry)])
  const scores: NormalisationScore[] = []
  for (const candidate of candidates) {
    const outputs = {} as Record<Probe, Float32Array>
    let classes = 0
    for (const probe of PROBES) {
      const answer = await inBatches(model, normalisePixels(pictures[probe], pixels.count, complete(candidate)), pixels.count)
      if (answer.shape.filter((d) => d > 1).length !== 1) return []
      outputs[probe] = answer.logits
      classes = answer.classes
    }
    const usable = pixels.labels?.every((k) => k < classes) && options.labels !== false
    scores.push(scoreNormalisation(outputs, classes, usable ? pixels.labels : undefined))
  }
  return rankNormalisations(candidates, scores)
}

/** Ranking runs in small batches: a large network at full resolution must not need the memory of 256 samples. */
async function inBatches(model: Predictor, x: Float32Array, count: number, batch = 32) {
  const size = x.length / count
  const parts = []
  for (let start = 0; start < count; start += batch) {
    const rows = Math.min(batch, count - start)
    parts.push(await model.predict(x.subarray(start * size, (start + rows) * size), rows))
  }
  const { classes, shape } = parts[0]!
  const logits = new Float32Array(count * classes)
  parts.forEach((part, i) => logits.set(part.logits, i * batch * classes))
  return { logits, classes, shape }
}
