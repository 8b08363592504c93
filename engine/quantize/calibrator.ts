import type { Histogram } from './histogram.ts'
import type { Grid } from './scheme.ts'

export type RealRange = readonly [min: number, max: number]

/** A rule that chooses which part of an activation's values the integers shall cover; what lies outside is clipped. */
export interface Calibrator {
  readonly id: string
  readonly title: string
  /** What it is good for, one sentence. */
  readonly why: string
  /** The range, within [min, max] of what was seen; called with at least one finite number. */
  range(seen: Histogram, grid: Grid): RealRange
}

export const defineCalibrator = (calibrator: Calibrator): Calibrator => calibrator
