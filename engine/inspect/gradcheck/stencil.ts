/** Central differences along one entry of one tensor, with a test for kinks. Pure: the functions under test come as a callback. */

/** How differences are taken for an element type. */
export interface Precision {
  readonly dtype: 'float32' | 'float64'
  /** Step relative to the size of the values. */
  readonly step: number
  /** Two more points, so that the error falls with the fourth power of the step (Richardson) and the step can be wide. */
  readonly richardson: boolean
  /** Gradients below this share of the tensor's root mean square are compared with that share: rounding drowns them. */
  readonly floor: number
  /** The same as an absolute number, for tensors whose gradients all vanish. */
  readonly least: number
}

export const DOUBLE: Precision = { dtype: 'float64', step: 1e-5, richardson: false, floor: 1e-3, least: 1e-6 }
export const SINGLE: Precision = { dtype: 'float32', step: 2 ** -7, richardson: true, floor: 0.1, least: 0.05 }

/** Largest relative error of a gradient that passes. */
export const TOLERANCE = 1e-3
/** Largest share of entries that may lie at a kink. */
export const SKIPPED_AT_MOST = 0.05

export interface Compared {
  error: number
  /** The function has a kink, a jump or the end of its domain within the stencil: nothing can be said about this entry. */
  kink: boolean
  difference: number
  /** Neither slope can be told from rounding: that they agree says nothing. */
  vacuous: boolean
}

/** The functions under test as functions of one number; all are evaluated at once. */
export type Line = (x: number) => Promise<readonly number[]>

/**
 * Compares the slope of each function of `at` at `x` with `expected`. `middle` is `at(x)`, `typical` the usual size of the tensor's
 * values, `scale[k]` the root mean square of function k's gradient over the tensor.
 */
export async function compareSlopes(
  at: Line,
  x: number,
  middle: readonly number[],
  expected: readonly number[],
  typical: number,
  scale: readonly number[],
  p: Precision,
): Promise<Compared[]> {
  const h = p.step * Math.max(typical, Math.abs(x))
  const known = new Map<number, Promise<readonly number[]>>()
  const value = (y: number): Promise<readonly number[]> => {
    const found = known.get(y) ?? at(y)
    known.set(y, found)
    return found
  }
  const central = async (k: number, step: number) => ((await value(x + step))[k]! - (await value(x - step))[k]!) / (2 * step)
  const out: Compared[] = []
  for (const [k, analytic] of expected.entries()) {
    const near = await central(k, h)
    const quick = p.richardson ? (4 * near - (await central(k, 2 * h))) / 3 : near
    const rounding = Math.max(p.least, noise(middle[k]!, h, p))
    const size = (difference: number) => Math.max(Math.abs(difference), Math.abs(analytic), p.floor * scale[k]!, rounding)
    const vacuous = (difference: number) => Math.max(Math.abs(difference), Math.abs(analytic)) < rounding
    const quickError = Math.abs(quick - analytic) / size(quick)
    if (quickError <= TOLERANCE / 2) {
      out.push({ error: quickError, kink: false, difference: quick, vacuous: vacuous(quick) })
      continue
    }
    const judged = (slope: number, unsure: boolean): Compared => {
      const off = Math.abs(slope - analytic) / size(slope)
      const error = Number.isNaN(off) ? Infinity : off
      return { error, kink: unsure && !(off <= TOLERANCE), difference: slope, vacuous: vacuous(slope) }
    }
    const least = (slope: number) => TOLERANCE * (Number.isFinite(analytic) ? size(slope) : Math.max(Math.abs(slope), p.least))
    const narrow = p.richardson ? undefined : await narrowed(value, x, k, middle[k]!, h)
    if (narrow && narrow.error <= least(narrow.slope) / 2) out.push(judged(narrow.slope, false))
    else {
      const { slope, error, edge } = await extrapolated(value, x, k, middle[k]!, h)
      const unsure = !(error <= least(slope) / 2) || edge > least(slope) / 2 || !Number.isFinite(middle[k]!)
      out.push(judged(slope, unsure))
    }
  }
  return out
}

/** Gradients too small to be told from what rounding of the function's own value does to a difference. */
const noise = (f: number, h: number, p: Precision): number =>
  p.richardson || !Number.isFinite(f) ? 0 : (1e-15 * Math.abs(f)) / h / TOLERANCE

/** Steps that leave kinks nearby outside, relative to the usual one. */
const NARROW = [1e-1, 1e-2, 1e-3, 1e-4]

/**
 * The slope from the narrow step on which both sides agree best. A net of many rectifiers has kinks so dense that every usual step crosses some,
 * each of little weight: their share of a difference falls with the step, rounding rises against it. The gap between the slopes on both
 * sides holds both, and with the change from the step before estimates the error.
 */
async function narrowed(value: Line, x: number, k: number, middle: number, h: number): Promise<{ slope: number; error: number }> {
  let best = { slope: NaN, error: Infinity }
  let before = NaN
  for (const factor of NARROW) {
    const [right, left] = [x + factor * h, x - factor * h]
    const [up, down] = [(await value(right))[k]!, (await value(left))[k]!]
    const slope = (up - down) / (right - left)
    const gap = Math.abs((up - middle) / (right - x) - (middle - down) / (x - left))
    // A jump at the point looks equal from both sides, but not from one step to the next.
    const error = Math.max(gap, Math.abs(slope - before))
    if (error < best.error) best = { slope, error }
    before = slope
  }
  return best
}

/** Steps of the extrapolation, relative to the usual one; each is half the one before. */
const STEPS = [4, 2, 1, 1 / 2, 1 / 4, 1 / 8, 1 / 16]

/**
 * The slope by Ridders' extrapolation of central differences (1982, "Accurate computation of F'(x) and F'(x) F''(x)") with its own estimate
 * of the error, which is large where the function jumps. `edge` is the difference of the slopes on both sides at the smallest step where it
 * does not fall with the step, as it does where the function is smooth; 0 otherwise.
 */
async function extrapolated(value: Line, x: number, k: number, middle: number, h: number) {
  let before: number[] = []
  let best = { slope: NaN, error: Infinity }
  const bends: number[] = []
  for (const factor of STEPS) {
    const step = factor * h
    const [up, down] = [(await value(x + step))[k]!, (await value(x - step))[k]!]
    bends.push(Math.abs(up - 2 * middle + down) / step)
    const row = [(up - down) / (2 * step)]
    for (let m = 1, power = 4; m <= before.length; m++, power *= 4) {
      const finer = row[m - 1]!
      const next = finer + (finer - before[m - 1]!) / (power - 1)
      const error = Math.max(Math.abs(next - finer), Math.abs(next - before[m - 1]!))
      if (error <= best.error) best = { slope: next, error }
      row.push(next)
    }
    before = row
  }
  const [first, last] = [bends[0]!, bends.at(-1)!]
  return { ...best, edge: last > 0.3 * first ? last : 0 }
}
