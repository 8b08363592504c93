/** A process that writes to a store until it is killed (`write`), for a while (`some`), or holds a run (`hold`): for tests. */
import { openStore } from '../index.ts'

const [path, mode] = process.argv.slice(2)
const store = openStore(path)
const { id } = store.createRun({ kind: 'distill', recipe: {}, seed: 0, engineVersion: 'test' })
store.claimRun(id)
const tenPoints = (from: number) =>
  Array.from({ length: 10 }, (_, i) => ({ split: 'train', name: 'loss', step: from + i, value: i }))

process.send?.(id)
if (mode === 'hold') setInterval(() => undefined, 1000)
else {
  for (let i = 0; mode === 'write' || i < 20; i++) {
    store.addMetrics(id, tenPoints(10 * i))
    store.addCheckpoint(id, i, `/checkpoint/${i}`)
    await new Promise(setImmediate)
  }
  store.endRun(id, { status: 'done' })
  store.close()
  if (process.connected) process.disconnect()
}
