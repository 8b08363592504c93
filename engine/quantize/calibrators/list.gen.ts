/** The calibrators. Generated from the files of this folder by `npm run gen`; do not edit. */
import entropy from './entropy.ts'
import minmax from './minmax.ts'
import movingAverage from './moving-average.ts'
import mse from './mse.ts'
import percentile from './percentile.ts'
import type { Calibrator } from '../calibrator.ts'

export const calibrators: readonly Calibrator[] = [entropy, minmax, movingAverage, mse, percentile]
