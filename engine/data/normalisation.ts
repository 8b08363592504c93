/**
 * Which normalisation a model was trained with, when the file does not say. The usual ones are tried on samples and judged by the
 * model itself. Confidence alone misleads: pixels in 0..255 saturate most networks into 99.9 % confidence. So a candidate is judged by how
 * much its predictions tell apart (confident one by one, spread over classes together) times how well they survive small changes of
 * the picture; with labels, by accuracy.
 */
import { DataError } from '../errors.ts'
import { random } from '../random.ts'
import type { Preprocess } from './preprocess.ts'

export interface Normalisation {
  id: string
  title: string
  channels: Preprocess['channels']
  scale: number
  mean: number[]
  std: number[]
}

const byte = 1 / 255

/** The usual normalisations for gray (1) or colour (3) models, and the set's own where its statistics (of pixels in 0..1) are given. */
export function usualNormalisations(channels: 1 | 3, set?: { mean: readonly number[]; std: readonly number[] }): Normalisation[] {
  const order = channels === 1 ? 'gray' : 'rgb'
  const fit = (id: string, title: string, scale: number, mean: readonly number[], std: readonly number[]): Normalisation => {
    const each = (v: readonly number[]) => Array.from({ length: channels }, (_, c) => (v.length === 1 ? v[0]! : v[c]!))
    return { id, title, channels: order, scale, mean: each(mean), std: each(std) }
  }
  // A constant channel would divide by zero.
  const own =
    set &&
    fit(
      'data-set',
      'mean and deviation of this data set',
      byte,
      set.mean,
      set.std.map((s) => Math.max(s, 1e-3)),
    )
  const gray = [fit('mnist', 'MNIST mean and deviation', byte, [0.1307], [0.3081])]
  const colour = [
    fit('imagenet', 'ImageNet mean and deviation', byte, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    fit('cifar-10', 'CIFAR-10 mean and deviation', byte, [0.4914, 0.4822, 0.4465], [0.247, 0.2435, 0.2616]),
    { ...fit('caffe', 'Caffe: BGR, 0..255 less the ImageNet mean', 1, [103.939, 116.779, 123.68], [1]), channels: 'bgr' as const },
  ]
  return [
    fit('unit', '0..1', byte, [0], [1]),
    fit('symmetric', '-1..1', byte, [0.5], [0.5]),
    fit('bytes', '0..255', 1, [0], [1]),
    ...(channels === 1 ? gray : colour),
    ...(own ? [own] : []),
  ]
}

/** Mean and standard deviation of each channel, of pixels / 255, channels innermost. */
export function pixelStatistics(pixels: Uint8Array, channels: number): { mean: number[]; std: number[] } {
  const count = pixels.length / channels
  const sums = Array.from({ length: channels }, (_, c) => {
    let [sum, squares] = [0, 0]
    for (let i = c; i < pixels.length; i += channels) {
      sum += pixels[i]!
      squares += pixels[i]! * pixels[i]!
    }
    const mean = sum / count
    return { mean: mean * byte, std: Math.sqrt(Math.max(0, squares / count - mean * mean)) * byte }
  })
  return { mean: sums.map((s) => s.mean), std: sums.map((s) => s.std) }
}

/**
 * What image metadata of an ONNX file says (keys of the ONNX image category, e.g. `Image.NominalPixelRange`): the fields it
 * decides, no others.
 */
export function hintsFromMetadata(
  metadata: Readonly<Record<string, string>>,
): Partial<Pick<Normalisation, 'channels' | 'scale' | 'mean' | 'std'>> {
  const format = /^(gray|rgb|bgr)/i.exec(metadata['Image.BitmapPixelFormat'] ?? '')?.[1]?.toLowerCase()
  const channels = format as Normalisation['channels'] | undefined
  const range = RANGES[metadata['Image.NominalPixelRange'] ?? '']
  const each = (v: number) => new Array<number>(channels === 'gray' ? 1 : 3).fill(v)
  return {
    ...(channels ? { channels } : {}),
    ...(range ? { scale: range.scale } : {}),
    // How many numbers there are is known with the pixel format only.
    ...(range && channels ? { mean: each(range.mean), std: each(range.std) } : {}),
  }
}

const RANGES: Record<string, { scale: number; mean: number; std: number }> = {
  NominalRange_0_255: { scale: 1, mean: 0, std: 1 },
  Normalized_0_1: { scale: byte, mean: 0, std: 1 },
  Normalized_1_1: { scale: byte, mean: 0.5, std: 0.5 },
  // 0..1 to 16..235, the range of video.
  NominalRange_16_235: { scale: byte, mean: -16 / 219, std: 1 / 219 },
}

/** Versions of the same pictures: as they are, shifted, with noise, with less contrast. A model run as trained keeps its mind. */
export const PROBES = ['plain', 'shifted', 'noisy', 'faded'] as const
export type Probe = (typeof PROBES)[number]

/** The probes of count x height x width x channels bytes, in 0..255 still: each candidate normalises all of them. */
export function probePictures(
  pixels: Uint8Array,
  [height, width, channels]: readonly [number, number, number],
): Record<Probe, Uint8Array> {
  const size = height * width * channels
  const [dy, dx] = [Math.max(1, Math.round(height / 28)), Math.max(1, Math.round(width / 14))]
  const shifted = pixels.map((_, i) => {
    const at = i % size
    const x = Math.floor(at / channels) % width
    return x + dx < width && at + (dy * width + dx) * channels < size ? pixels[i + (dy * width + dx) * channels]! : 0
  })
  const noise = random(0, 'normalisation-probe')
  const noisy = pixels.map((v, i) => Math.min(255, Math.max(0, v + 120 * (noise.uniform(i) - 0.5))))
  return { plain: pixels, shifted, noisy, faded: pixels.map((v) => 0.6 * v) }
}

export interface NormalisationScore {
  /** Mean of the greatest probability: shown, never decisive. */
  confidence: number
  /** Entropy of the mean prediction less the mean entropy, over ln(classes): 1 when sure each time and balanced over all. */
  information: number
  /** Share of predictions that the changed pictures keep. */
  stability: number
  /** Share of right answers, where labels were given. */
  accuracy?: number
}

/**
 * Judges what a model answered to the probes of one candidate.
 * @param outputs for each probe [samples, classes]: logits, log-probabilities or probabilities
 */
export function scoreNormalisation(
  outputs: Readonly<Record<Probe, Float32Array>>,
  classes: number,
  labels?: Int32Array,
): NormalisationScore {
  const count = outputs.plain.length / classes
  if (!Number.isInteger(count) || PROBES.some((probe) => outputs[probe].length !== outputs.plain.length)) {
    throw new DataError(`expected four outputs of one length, each a multiple of ${classes}`, { where: 'normalisation' })
  }
  const mean = new Float64Array(classes)
  const answers = argmaxRows(outputs.plain, classes)
  let [confidence, entropy, right] = [0, 0, 0]
  for (let n = 0; n < count; n++) {
    const p = probabilities(outputs.plain.subarray(n * classes, (n + 1) * classes))
    confidence += p[answers[n]!]! / count
    entropy += entropyOf(p) / count
    p.forEach((v, k) => (mean[k]! += v / count))
    if (labels?.[n] === answers[n]) right++
  }
  const kept = PROBES.slice(1).map((probe) => {
    const changed = argmaxRows(outputs[probe], classes)
    return changed.filter((answer, n) => answer === answers[n]).length / count
  })
  return {
    confidence,
    information: (entropyOf(mean) - entropy) / Math.log(classes),
    stability: kept.reduce((a, b) => a + b, 0) / kept.length,
    ...(labels ? { accuracy: right / count } : {}),
  }
}

export interface RankedNormalisation extends Normalisation, NormalisationScore {
  /** What the order is by: accuracy, or information x stability. */
  score: number
}

/** A data set's own statistics win only by more than this: they come close to the published ones of the set a model was trained on. */
const TIE = 0.01

/** Best first. `scores[i]` belongs to `candidates[i]`. */
export function rankNormalisations(
  candidates: readonly Normalisation[],
  scores: readonly NormalisationScore[],
): RankedNormalisation[] {
  const ranked = candidates.map((candidate, i): RankedNormalisation => {
    const { confidence, information, stability, accuracy } = scores[i]!
    // Not a number (an overflow inside the model) is the worst.
    const score = (accuracy ?? information * stability) || 0
    return { ...candidate, confidence, information, stability, ...(accuracy === undefined ? {} : { accuracy }), score }
  })
  const key = (r: RankedNormalisation) => (r.id === 'data-set' ? r.score - TIE : r.score)
  return ranked.sort((a, b) => key(b) - key(a) || b.information * b.stability - a.information * a.stability)
}

function argmaxRows(rows: Float32Array, classes: number): Int32Array {
  return Int32Array.from({ length: rows.length / classes }, (_, n) => {
    let best = 0
    for (let k = 1; k < classes; k++) if (rows[n * classes + k]! > rows[n * classes + best]!) best = k
    return best
  })
}

/** Softmax, which leaves log-probabilities as they were meant; rows that are probabilities already pass. */
function probabilities(row: Float32Array): Float64Array {
  const sum = row.reduce((a, b) => a + b, 0)
  if (Math.abs(sum - 1) < 1e-3 && row.every((v) => v >= 0)) return Float64Array.from(row)
  const highest = row.reduce((a, b) => Math.max(a, b), -Infinity)
  const p = Float64Array.from(row, (v) => Math.exp(v - highest))
  const total = p.reduce((a, b) => a + b, 0)
  return p.map((v) => v / total)
}

const entropyOf = (p: Float64Array): number => p.reduce((h, v) => (v > 0 ? h - v * Math.log(v) : h), 0)
