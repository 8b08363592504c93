/** 95 % intervals. */
import { random } from '../../random.ts'
import type { MetricValue } from './define.ts'

/** 97.5th percentile of the standard normal distribution. */
const Z = 1.959963984540054

/** Running counts of a yes/no outcome. */
export interface Proportion {
  hits: number
  count: number
}
export const emptyProportion = (): Proportion => ({ hits: 0, count: 0 })

/** A proportion with its Wilson (1927) score interval, which stays in [0, 1] and is right near 0 and 1. */
export function proportionValue({ hits, count }: Proportion): MetricValue | undefined {
  if (count === 0) return undefined
  const p = hits / count
  const centre = (p + (Z * Z) / (2 * count)) / (1 + (Z * Z) / count)
  const half = (Z / (1 + (Z * Z) / count)) * Math.sqrt((p * (1 - p)) / count + (Z * Z) / (4 * count * count))
  return { value: p, ci95: [Math.max(0, centre - half), Math.min(1, centre + half)] }
}

/** Running mean and sum of squared deviations (Welford 1962), which does not cancel. */
export interface Moments {
  count: number
  mean: number
  deviations: number
}
export const emptyMoments = (): Moments => ({ count: 0, mean: 0, deviations: 0 })

export function addMoment(moments: Moments, value: number): void {
  const before = value - moments.mean
  moments.count++
  moments.mean += before / moments.count
  moments.deviations += before * (value - moments.mean)
}

/** A mean with its normal interval, mean +- z s / sqrt(n); one value has none. */
export function meanValue({ count, mean, deviations }: Moments): MetricValue | undefined {
  if (count === 0) return undefined
  if (count === 1 || !Number.isFinite(mean)) return { value: mean }
  const half = (Z * Math.sqrt(deviations / (count - 1))) / Math.sqrt(count)
  return { value: mean, ci95: [mean - half, mean + half] }
}

/**
 * Percentile bootstrap (Efron 1979), shifted by its bias: a statistic such as a sum of absolute gaps is larger on resamples than on
 * the sample, so the plain percentiles can leave the value out. Seeded, so equal data give equal intervals.
 * @param statistic of `count` drawn sample numbers, all in [0, count)
 * @param range the interval is cut to it
 */
export function bootstrapInterval(
  value: number,
  count: number,
  statistic: (drawn: Int32Array) => number,
  range: readonly [number, number],
  repeats = 1000,
): [number, number] {
  const stream = random(0, 'bootstrap')
  const drawn = new Int32Array(count)
  const values = Float64Array.from({ length: repeats }, (_, r) => {
    for (let i = 0; i < count; i++) drawn[i] = stream.int(r * count + i, count)
    return statistic(drawn)
  }).sort()
  const bias = values.reduce((a, b) => a + b, 0) / repeats - value
  const at = (share: number) => values[Math.round(share * (repeats - 1))]! - bias
  return [Math.max(range[0], Math.min(value, at(0.025))), Math.min(range[1], Math.max(value, at(0.975)))]
}
