/** The schedules. Generated from the files of this folder by `npm run gen`; do not edit. */
import constant from './constant.ts'
import cosine from './cosine.ts'
import oneCycle from './one-cycle.ts'
import step from './step.ts'
import type { Schedule } from '../schedule.ts'

export const schedules: readonly Schedule[] = [constant, cosine, oneCycle, step]
