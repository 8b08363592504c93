/** The store migrations. Generated from the files of this folder by `npm run gen`; do not edit. */
import m0010Runs from './0010-runs.ts'
import m0020Metrics from './0020-metrics.ts'
import m0030Artifacts from './0030-artifacts.ts'
import m0040Tuning from './0040-tuning.ts'
import m0050Labels from './0050-labels.ts'
import m0060Library from './0060-library.ts'
import m0070Rates from './0070-rates.ts'
import type { Migration } from '../migrate.ts'

export const migrations: readonly Migration[] = [
  m0010Runs,
  m0020Metrics,
  m0030Artifacts,
  m0040Tuning,
  m0050Labels,
  m0060Library,
  m0070Rates,
]
