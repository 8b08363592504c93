import { powerSaveBlocker } from 'electron'

/** Keeps the machine from sleeping while something runs, if the person wants that. */
export function makeAwake(): (wanted: boolean) => void {
  let blocker: number | undefined
  return (wanted) => {
    if (wanted && blocker === undefined) blocker = powerSaveBlocker.start('prevent-app-suspension')
    if (!wanted && blocker !== undefined) {
      powerSaveBlocker.stop(blocker)
      blocker = undefined
    }
  }
}
