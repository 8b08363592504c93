import type { Store } from '../../runs/index.ts'

/** How often the store is asked for changes while a run trains, in milliseconds. */
const LOOK_MS = 200

/**
 * The peak learning rate of a step, as changes in the store say; undefined for the recipe's own. A change counts from the step at which it was
 * first seen, and again from that step when the run resumes before it, so that a resumed run repeats what the interrupted one did.
 * @param onTaken told of each change that was taken, with its first step (counted from 0)
 */
export function ratesOf(
  store: Store,
  run: string,
  onTaken: (lr: number, step: number) => void,
): (step: number) => number | undefined {
  let changes = store.rates(run)
  let looked = -Infinity
  return (step) => {
    const now = performance.now()
    if (now - looked > LOOK_MS) {
      looked = now
      changes = store.rates(run)
      const asked = changes.findLast((change) => change.step === null)
      if (asked) {
        changes = store.takeRates(run, step)
        onTaken(asked.lr, step)
      }
    }
    return changes.findLast((change) => change.step !== null && change.step <= step)?.lr
  }
}
