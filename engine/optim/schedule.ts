import type { z } from 'zod'

/**
 * One learning-rate schedule: a pure function, so a resumed run sees the same rates.
 * `step` counts updates from 0 to `total` - 1; the answer multiplies the peak rate.
 */
export interface Schedule<O = unknown> {
  readonly id: string
  readonly title: string
  readonly options: z.ZodType<O>
  rate(step: number, total: number, o: O): number
}

/** Declares a schedule; the options' type flows from the schema. */
export const defineSchedule = <O>(schedule: Schedule<O>): Schedule => schedule

/**
 * Multiplier at `step`, after a linear warm-up of `warmup` steps (Goyal et al. 2017, arXiv:1706.02677) that ends at the schedule's
 * first value. The schedule runs over the steps that are left. `o` are parsed options.
 */
export function rateAt(schedule: Schedule, o: unknown, step: number, total: number, warmup = 0): number {
  const rest = Math.max(1, total - warmup)
  if (step < warmup) return ((step + 1) / (warmup + 1)) * schedule.rate(0, rest, o)
  return schedule.rate(Math.min(step - warmup, rest), rest, o)
}
