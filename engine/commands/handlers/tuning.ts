import { dirname, join } from 'node:path'
import { physicalCores, type Provider } from '../../session/index.ts'
import { makeTuner, readMeasured, type Measured, type Tuner } from '../../tune/index.ts'

/** What was measured on this machine, beside the store. */
const fileBeside = (store: string): string => join(dirname(store), 'tuning.json')

export const measuredBeside = (store: string): Measured[] => readMeasured(fileBeside(store))

/**
 * The tuner of a training. `auto` leaves it out on one thread, where equal runs are promised equal bits: which form wins is a matter of
 * time. Other providers have one form of each operator, and a store in memory remembers nothing.
 */
export function tunerOf(
  o: { tune: 'auto' | 'on' | 'off'; threads?: number | undefined; provider: Provider },
  store: string,
  tell: (text: string) => void,
): Tuner | undefined {
  const threads = o.threads ?? physicalCores()
  if (store === ':memory:') return undefined
  if (o.provider !== 'cpu' || o.tune === 'off' || (o.tune === 'auto' && threads === 1)) return undefined
  return makeTuner(fileBeside(store), threads, (count) =>
    tell(`timing the forms of ${count} operators once for this processor, ${threads} threads`),
  )
}
