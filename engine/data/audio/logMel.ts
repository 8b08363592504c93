/** Log-mel spectrograms: the usual front end of keyword spotting and speech recognition. */
import FFT from 'fft.js'

export interface MelOptions {
  /** Samples a second. */
  sampleRate: number
  /** Samples under the window, at most `fft`. */
  window: number
  /** Samples from one frame to the next. */
  hop: number
  /** Size of the Fourier transform, a power of two; a shorter window is followed by zeros. */
  fft: number
  /** Filters. */
  mels: number
  /** Band of the filters, in hertz. */
  lowest: number
  highest: number
  /** `htk`: mel = 2595 log10(1 + f / 700), filters of height 1. `slaney`: linear to 1000 Hz, logarithmic above, filters of area 1. */
  scale: 'htk' | 'slaney'
  /** Least power before the logarithm. */
  floor: number
}

/** Frames of a recording: windows lie wholly inside it. */
export const frameCount = (samples: number, { window, hop }: Pick<MelOptions, 'window' | 'hop'>): number =>
  samples < window ? 0 : 1 + Math.floor((samples - window) / hop)

/** w[n] = 1/2 - 1/2 cos(2 pi n / N): the periodic form, whose shifted copies add up to a constant. */
export const hann = (length: number): Float64Array =>
  Float64Array.from({ length }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / length))

/** Slaney's Auditory Toolbox: 200/3 Hz a mel up to 1000 Hz, above it 27 mels to a factor of 6.4. */
const LINEAR = 200 / 3
const KNEE = 1000
const STEP = Math.log(6.4) / 27

export function toMel(hertz: number, scale: MelOptions['scale']): number {
  if (scale === 'htk') return 2595 * Math.log10(1 + hertz / 700)
  return hertz < KNEE ? hertz / LINEAR : KNEE / LINEAR + Math.log(hertz / KNEE) / STEP
}

export function fromMel(mel: number, scale: MelOptions['scale']): number {
  if (scale === 'htk') return 700 * (10 ** (mel / 2595) - 1)
  return mel < KNEE / LINEAR ? mel * LINEAR : KNEE * Math.exp(STEP * (mel - KNEE / LINEAR))
}

/** Triangles over the power spectrum, [mels][fft / 2 + 1]: edges evenly spaced in mel, each reaching from centre to centre. */
export function melFilters({ sampleRate, fft, mels, lowest, highest, scale }: MelOptions): Float64Array[] {
  const [from, to] = [toMel(lowest, scale), toMel(highest, scale)]
  const edges = Array.from({ length: mels + 2 }, (_, i) => fromMel(from + ((to - from) * i) / (mels + 1), scale))
  return Array.from({ length: mels }, (_, m) => {
    const [left, centre, right] = [edges[m]!, edges[m + 1]!, edges[m + 2]!]
    const height = scale === 'slaney' ? 2 / (right - left) : 1
    return Float64Array.from({ length: fft / 2 + 1 }, (_, bin) => {
      const f = (bin * sampleRate) / fft
      return height * Math.max(0, Math.min((f - left) / (centre - left), (right - f) / (right - centre)))
    })
  })
}

/**
 * ln(max(floor, sum over bins of filter x |X|^2)) for each frame and filter, X the Fourier transform of the windowed frame.
 * The answer is a function that can be used for any number of recordings.
 * @returns [frames, mels], row-major
 */
export function makeLogMel(options: MelOptions): (samples: Float32Array) => Float32Array {
  const { window, hop, fft, mels, floor } = options
  const transform = new FFT(fft)
  const spectrum = transform.createComplexArray()
  const frame = new Float64Array(fft)
  const shape = hann(window)
  // Only the bins that a filter reaches: most of a filter is zero.
  const filters = melFilters(options).map((filter) => {
    const first = filter.findIndex((v) => v > 0)
    const last = filter.findLastIndex((v) => v > 0)
    return { first: Math.max(0, first), weights: first < 0 ? new Float64Array() : filter.slice(first, last + 1) }
  })
  const power = new Float64Array(fft / 2 + 1)
  return (samples) => {
    const frames = frameCount(samples.length, options)
    const out = new Float32Array(frames * mels)
    for (let t = 0; t < frames; t++) {
      for (let n = 0; n < window; n++) frame[n] = samples[t * hop + n]! * shape[n]!
      transform.realTransform(spectrum, frame)
      for (let k = 0; k < power.length; k++) power[k] = spectrum[2 * k]! ** 2 + spectrum[2 * k + 1]! ** 2
      for (const [m, { first, weights }] of filters.entries()) {
        let sum = 0
        for (let i = 0; i < weights.length; i++) sum += weights[i]! * power[first + i]!
        out[t * mels + m] = Math.log(Math.max(floor, sum))
      }
    }
    return out
  }
}
