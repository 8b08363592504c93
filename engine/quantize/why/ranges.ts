import percentile from '../calibrators/percentile.ts'
import { Histogram } from '../histogram.ts'
import type { IntegerRange } from '../integers.ts'
import { decibels } from '../weights.ts'

/** How well a rounded activation's range fits what it sees. */
export interface RangeFit {
  /** Reals that the integers cover, and those that were seen. */
  covered: readonly [number, number]
  seen: readonly [number, number]
  /** Share of the values outside. */
  clipped: number
  /** Mean squares of the values, of what clipping and of what rounding takes away. */
  signal: number
  clipNoise: number
  roundNoise: number
  /** Signal to noise, dB. */
  sqnr: number
  /** What a range would gain, in dB, for all but one in ten thousand of the values, if it covered those alone. */
  bulkGain: number
  /** Largest size over the size that 99.9 % of the values that are not 0 stay below. */
  spread: number
}

interface Noise {
  signal: number
  clip: number
  round: number
  outside: number
}

/** Error of a range on a distribution: a bin's values count at its centre; within the range the error is that of rounding, step^2 / 12. */
function noiseOf(seen: Histogram, [low, high]: readonly [number, number], step: number): Noise {
  const sums: Noise = { signal: 0, clip: 0, round: 0, outside: 0 }
  const add = (x: number, count: number) => {
    sums.signal += count * x * x
    const beyond = x < low ? low - x : x > high ? x - high : 0
    // Up to half a step beyond the last integer is rounding.
    if (beyond > step / 2) {
      sums.clip += count * beyond ** 2
      sums.outside += count
    } else sums.round += (count * step ** 2) / 12
  }
  for (let bin = 0; bin < Histogram.BINS; bin++) if (seen.counts[bin]! > 0) add(within(seen, bin), seen.counts[bin]!)
  const n = Math.max(1, seen.total)
  return { signal: sums.signal / n, clip: sums.clip / n, round: sums.round / n, outside: sums.outside / n }
}

/** The centre of a bin, but no value that was not seen. */
const within = (seen: Histogram, bin: number): number => Math.min(seen.max, Math.max(seen.min, seen.centre(bin)))

/** Judges a range by the distribution of the values on samples that are prepared as they should be. */
export function fitOf(range: IntegerRange, seen: Histogram): RangeFit {
  const now = noiseOf(seen, [range.min, range.max], range.scale)
  const grid = { dtype: 'uint8' as const, low: 0, high: 255 }
  const [low, high] = seen.total > 0 ? percentile.range(seen, grid) : [0, 0]
  const bulk = Math.max(0, high) - Math.min(0, low)
  return {
    covered: [range.min, range.max],
    seen: seen.total > 0 ? [seen.min, seen.max] : [0, 0],
    clipped: now.outside,
    signal: now.signal,
    clipNoise: now.clip,
    roundNoise: now.round,
    sqnr: decibels(now.signal, now.clip + now.round),
    bulkGain: bulk > 0 ? Math.max(0, 20 * Math.log10((range.max - range.min) / bulk)) : 0,
    spread: spreadOf(seen),
  }
}

function spreadOf(seen: Histogram): number {
  const largest = Math.max(Math.abs(seen.min), Math.abs(seen.max))
  const total = seen.counts.reduce((a, b) => a + b, 0)
  if (!(largest > 0) || total === 0) return 1
  const sizes = Array.from(seen.counts, (count, bin) => [Math.abs(within(seen, bin)), count] as const).filter(([, n]) => n > 0)
  sizes.sort((a, b) => a[0] - b[0])
  let below = 0
  for (const [size, count] of sizes) {
    below += count
    if (below >= 0.999 * total) return largest / Math.max(size, largest / Histogram.BINS)
  }
  return 1
}
