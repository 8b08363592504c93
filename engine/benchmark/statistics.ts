import { bootstrapInterval } from '../metrics/index.ts'

export interface Latency {
  mean: number
  p50: number
  p90: number
  p95: number
  p99: number
}

/** Quantile of sorted numbers by linear interpolation between order statistics (Hyndman and Fan's type 7); `q` in [0, 1]. */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  const at = q * (sorted.length - 1)
  const low = Math.floor(at)
  const high = Math.min(low + 1, sorted.length - 1)
  return sorted[low]! + (at - low) * (sorted[high]! - sorted[low]!)
}

export const median = (values: ArrayLike<number>): number => quantile(Float64Array.from(values).sort(), 0.5)

/** Summary of call times, in their unit. */
export function latencyOf(times: readonly number[]): Latency {
  const sorted = Float64Array.from(times).sort()
  return {
    mean: times.reduce((a, b) => a + b, 0) / times.length,
    p50: quantile(sorted, 0.5),
    p90: quantile(sorted, 0.9),
    p95: quantile(sorted, 0.95),
    p99: quantile(sorted, 0.99),
  }
}

/**
 * Median of the ratios b/a of paired times with its bootstrap 95 % interval. Pairs come from one round each, so that slow
 * seconds of the machine hit both sides of a ratio.
 */
export function ratioOf(a: readonly number[], b: readonly number[]): { median: number; ci95: [number, number] } {
  const ratios = a.map((t, i) => b[i]! / t)
  const value = median(ratios)
  const drawnRatios = new Float64Array(ratios.length)
  const statistic = (drawn: Int32Array) => {
    for (let i = 0; i < drawn.length; i++) drawnRatios[i] = ratios[drawn[i]!]!
    return median(drawnRatios)
  }
  return { median: value, ci95: bootstrapInterval(value, ratios.length, statistic, [0, Infinity]) }
}
