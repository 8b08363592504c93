/** Another sample rate, band-limited. */

/** Zero crossings of the sinc on each side of its centre. */
const CROSSINGS = 16

/**
 * Samples at another rate: a sinc interpolator under a Hann window, its cut-off at half of the lower rate (Smith, "Digital Audio
 * Resampling Home Page"). Beyond the ends the signal counts as zero. Equal rates return the array itself.
 * @returns ceil(length * to / from) samples
 */
export function resampleAudio(samples: Float32Array, from: number, to: number): Float32Array {
  if (from === to) return samples
  const out = new Float32Array(Math.ceil((samples.length * to) / from))
  const cut = Math.min(1, to / from)
  const half = CROSSINGS / cut
  for (let n = 0; n < out.length; n++) {
    const centre = (n * from) / to
    const [first, last] = [Math.max(0, Math.ceil(centre - half)), Math.min(samples.length - 1, Math.floor(centre + half))]
    let sum = 0
    for (let k = first; k <= last; k++) {
      const t = k - centre
      const window = 0.5 + 0.5 * Math.cos((Math.PI * t) / half)
      sum += samples[k]! * window * sinc(cut * t)
    }
    out[n] = sum * cut
  }
  return out
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x))

/** Exactly `length` samples: what is too long loses, what is too short gets silence, at the end or at both ends alike. */
export function fitLength(samples: Float32Array, length: number, where: 'end' | 'centre'): Float32Array {
  if (samples.length === length) return samples
  const spare = length - samples.length
  const before = where === 'end' ? 0 : Math.floor(spare / 2)
  const out = new Float32Array(length)
  if (spare > 0) out.set(samples, before)
  else out.set(samples.subarray(-before, length - before))
  return out
}
