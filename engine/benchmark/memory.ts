import { fork } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Provider } from '../session/index.ts'

export interface MemoryJob {
  path: string
  batch: number
  threads: number | undefined
  provider: Provider
}

const SELF = import.meta.url
const LIMIT_MS = 120_000

/** How `peakBytes` is measured, for those who read it. */
export const PEAK_METHOD =
  'growth of the resident high-water mark of a process of its own, from before the model is loaded to after several runs'

/**
 * Peak memory of loading and running a model, in bytes, measured in a process of its own (see `PEAK_METHOD`). Undefined when
 * that process fails: the number is then absent, not wrong.
 */
export function peakMemory(job: MemoryJob): Promise<number | undefined> {
  const host = fileURLToPath(new URL(`./memoryHost${extname(fileURLToPath(SELF))}`, SELF))
  const child = fork(host, [JSON.stringify(job)], { execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
  return new Promise((resolve) => {
    const clock = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
    let peak: number | undefined
    child.on('message', (message) => {
      peak = (message as { peak: number }).peak
      child.kill('SIGKILL')
    })
    child.on('error', () => resolve(undefined))
    child.on('exit', () => {
      clearTimeout(clock)
      resolve(peak)
    })
  })
}
