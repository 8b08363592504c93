/** Recordings as log-mel spectrograms or as plain samples. */
import { z } from 'zod'
import { DataError, OptionError } from '../../errors.ts'
import { frameCount, makeLogMel, melFilters, type MelOptions } from '../audio/logMel.ts'
import { fitLength, resampleAudio } from '../audio/resampleAudio.ts'
import { random } from '../../random.ts'
import type { AudioBatch, DataSet } from '../types.ts'
import type { FrontEnd } from './frontEnd.ts'

const whole = z.number().int().positive()

const common = {
  /** Samples a second; recordings of another rate are resampled. */
  sampleRate: whole,
  /** Samples of every recording after padding with silence or cropping. */
  samples: whole,
  /** Where a recording lies in that length. */
  align: z.enum(['end', 'centre']).default('centre'),
}

export const waveformSchema = z.strictObject({ kind: z.literal('waveform'), ...common })

/** (ln(max(floor, mel power)) - mean) / std for each filter; see `audio/logMel.ts` for the rest. */
export const logMelSchema = z
  .strictObject({
    kind: z.literal('log-mel'),
    ...common,
    window: whole,
    hop: whole,
    fft: whole.refine((n) => Number.isInteger(Math.log2(n)) && n >= 2, 'expected a power of two'),
    mels: whole,
    lowest: z.number().min(0),
    highest: z.number().positive(),
    scale: z.enum(['htk', 'slaney']),
    floor: z.number().positive(),
    mean: z.array(z.number()),
    std: z.array(z.number().positive()),
  })
  .superRefine((p, context) => {
    const issue = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
    if (p.window > p.fft) issue('window', `expected at most the ${p.fft} samples of the transform, found ${p.window}`)
    if (!(p.lowest < p.highest && p.highest <= p.sampleRate / 2))
      issue('highest', `expected more than ${p.lowest} and at most half of the sample rate, found ${p.highest}`)
    else if (melFilters(p).some((filter) => filter.every((v) => v === 0)))
      issue('mels', `${p.mels} filters are too many for a transform of ${p.fft} samples: some would see no frequency`)
    if (frameCount(p.samples, p) < 1) issue('samples', `expected at least one window of ${p.window}, found ${p.samples}`)
    for (const field of ['mean', 'std'] as const)
      if (p[field].length !== p.mels) issue(field, `expected ${p.mels} numbers, found ${p[field].length}`)
  })

export type LogMelPreprocess = z.output<typeof logMelSchema>
export type WaveformPreprocess = z.output<typeof waveformSchema>
type AudioPreprocess = LogMelPreprocess | WaveformPreprocess

/** Input x [1, frames, mels] of spectrograms, [samples] of waveforms. */
export function audioFront(p: AudioPreprocess): FrontEnd {
  const shape = p.kind === 'log-mel' ? [1, frameCount(p.samples, p), p.mels] : [p.samples]
  const size = shape.reduce((n, d) => n * d, 1)
  const transform = p.kind === 'log-mel' ? makeLogMel(p) : (samples: Float32Array) => samples
  return {
    inputs: [{ name: 'x', shape }],
    kept: { shape, bytes: false },
    first(raw) {
      const { recordings } = raw as AudioBatch
      const out = new Float32Array(recordings.length * size)
      for (const [i, { samples, rate }] of recordings.entries())
        out.set(transform(fitLength(resampleAudio(samples, rate, p.sampleRate), p.samples, p.align)), i * size)
      return out
    },
    second(kept) {
      if (p.kind === 'waveform') return [kept as Float32Array]
      const out = new Float32Array(kept.length)
      for (let i = 0; i < out.length; i++) out[i] = (kept[i]! - p.mean[i % p.mels]!) / p.std[i % p.mels]!
      return [out]
    },
  }
}

/** Recordings that lengths and statistics are taken from, at most. */
const LOOKED_AT = 512
/** Longest default input, in seconds. */
const LONGEST = 10

const round = (v: number): number => Number(v.toPrecision(4))

/**
 * A whole document from what is given of one. What is absent: the rate of most recordings; the length that 95 of 100 of the training
 * recordings do not exceed; windows of 32 ms rounded to a power of two, every half window; 40 HTK filters from 20 Hz to half of the rate; mean and deviation
 * of each filter over the training recordings. Throws OptionError naming a wrong field.
 */
export async function completeAudio(
  set: DataSet,
  train: Int32Array,
  given: Readonly<Record<string, unknown>>,
): Promise<AudioPreprocess> {
  const kind = given['kind'] ?? 'log-mel'
  const number = (name: string, otherwise: number) => (typeof given[name] === 'number' ? given[name] : otherwise)
  const sampleRate = number('sampleRate', set.rate!)
  const order = random(0, 'audio-statistics').permutation(train.length)
  const raw = (await set.read(order.slice(0, LOOKED_AT).map((at) => train[at]!))) as AudioBatch
  if (raw.count === 0) throw new DataError('expected at least one recording to train on, found none', { where: set.name })
  const lengths = raw.recordings.map((r) => (r.samples.length * sampleRate) / r.rate).sort((a, b) => a - b)
  const window = number('window', 2 ** Math.max(4, Math.round(Math.log2(0.032 * sampleRate))))
  const usual = Math.min(LONGEST * sampleRate, lengths[Math.ceil(0.95 * lengths.length) - 1]!)
  if (kind === 'waveform') return checked(waveformSchema, { kind, sampleRate, samples: Math.ceil(usual), ...given })
  const hop = number('hop', Math.ceil(window / 2))
  const mels = number('mels', 40)
  const document = {
    kind: 'log-mel',
    sampleRate,
    // Whole frames, so that no sample at the end goes unseen.
    samples: window + Math.max(0, Math.ceil((usual - window) / hop)) * hop,
    window,
    hop,
    fft: 2 ** Math.ceil(Math.log2(window)),
    mels,
    lowest: 20,
    highest: sampleRate / 2,
    scale: 'htk',
    floor: 1e-6,
    mean: new Array<number>(mels).fill(0),
    std: new Array<number>(mels).fill(1),
    ...given,
  }
  const p = checked(logMelSchema, document)
  if (given['mean'] !== undefined && given['std'] !== undefined) return p
  const front = audioFront(p)
  const { mean, std } = columnStatistics(front.first(raw), p.mels)
  return checked(logMelSchema, { ...p, mean: mean.map(round), std: std.map((v) => Math.max(1e-3, round(v))), ...given })
}

function checked<T>(schema: z.ZodType<T>, document: unknown): T {
  const parsed = schema.safeParse(document)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new OptionError(issue!.message, { where: ['preprocess', ...issue!.path].join('.') })
}

/** Mean and standard deviation of each column of rows of `width` numbers. */
export function columnStatistics(rows: ArrayLike<number>, width: number): { mean: number[]; std: number[] } {
  const count = rows.length / width
  const mean = new Array<number>(width).fill(0)
  const squares = new Array<number>(width).fill(0)
  for (let i = 0; i < rows.length; i++) mean[i % width]! += rows[i]! / count
  for (let i = 0; i < rows.length; i++) squares[i % width]! += (rows[i]! - mean[i % width]!) ** 2 / count
  return { mean, std: squares.map(Math.sqrt) }
}

/** One line for the person. */
export const describeAudio = (p: AudioPreprocess): string =>
  p.kind === 'waveform'
    ? `${p.samples} samples at ${p.sampleRate} Hz`
    : `log-mel spectrograms of ${p.samples} samples at ${p.sampleRate} Hz: Hann window ${p.window}, hop ${p.hop}, FFT ${p.fft}, ` +
      `${p.mels} ${p.scale} filters from ${p.lowest} to ${p.highest} Hz, less mean, over deviation`

export type { MelOptions }
