/**
 * Small float64 arithmetic for the formula part of a check: the paper's equation worked out apart from the graph that is checked.
 * Rows are arrays of logits; nothing here is fast.
 */
import { random } from '../random.ts'

export type Rows = readonly (readonly number[])[]

export const sum = (v: readonly number[]): number => v.reduce((s, x) => s + x, 0)

/** Softmax of z / T. */
export function softmax(z: readonly number[], temperature = 1): number[] {
  const top = Math.max(...z)
  const e = z.map((x) => Math.exp((x - top) / temperature))
  const total = sum(e)
  return e.map((x) => x / total)
}

/** KL(p || q) in nats, for p and q without zeros. */
export const kl = (p: readonly number[], q: readonly number[]): number => sum(p.map((x, i) => x * Math.log(x / q[i]!)))

/** Mean over rows. */
export const meanOf = (values: readonly number[]): number => sum(values) / values.length

/** Logits drawn N(0, 2^2), fixed by the seed. */
export function drawRows(seed: number, name: string, count: number, width: number): number[][] {
  const all = random(seed, 'formula', name).fillNormal(new Float32Array(count * width), 0, 2)
  return Array.from({ length: count }, (_, n) => [...all.subarray(n * width, (n + 1) * width)])
}

/**
 * Decimal digits to which found and expected numbers agree, relative to the largest expected one; float32 gives 6 to 7.
 * NaN when a number is missing or not finite.
 */
export function digits(found: readonly number[], expected: readonly number[]): number {
  if (found.length !== expected.length) return NaN
  const scale = Math.max(...expected.map(Math.abs))
  const error = Math.max(...found.map((x, i) => Math.abs(x - expected[i]!))) / scale
  return Number.isFinite(error) ? Math.min(9, -Math.log10(Math.max(error, 1e-9))) : NaN
}
