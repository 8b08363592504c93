import { OptionError } from '../errors.ts'
import type { Optimizer } from './optimizer.ts'
import { optimizers } from './optimizers/list.gen.ts'
import type { Schedule } from './schedule.ts'
import { schedules } from './schedules/list.gen.ts'

export * from './optimizer.ts'
export * from './schedule.ts'
export * from './clip.ts'
export * from './ema.ts'
export * from './step.ts'
export { optimizers, schedules }

function find<T extends { readonly id: string }>(list: readonly T[], kind: string, id: string): T {
  const found = list.find((one) => one.id === id)
  if (found) return found
  throw new OptionError(`there is no ${kind} '${id}'`, { where: kind, hint: `one of ${list.map((one) => one.id).join(', ')}` })
}

/** The optimizer of a name. Errors: OptionError with the known names. */
export const findOptimizer = (id: string): Optimizer => find(optimizers, 'optimizer', id)

/** The schedule of a name. Errors: OptionError with the known names. */
export const findSchedule = (id: string): Schedule => find(schedules, 'schedule', id)
