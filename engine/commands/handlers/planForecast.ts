import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StillroomError } from '../../errors.ts'
import { openStore } from '../../runs/index.ts'
import { handler, type HandlerContext } from './handler.ts'
import { runTraining } from './training.ts'

/**
 * Real training into a store in the temporary folder, stopped after a while: what is timed is what will run. The stop writes a
 * checkpoint, whose size is the disk's forecast.
 */
export default handler<'plan.forecast'>(async ({ probeSeconds, ...input }, ctx) => {
  const folder = mkdtempSync(join(tmpdir(), 'stillroom-forecast-'))
  const store = openStore(join(folder, 'store.sqlite'))
  const stop = new AbortController()
  const start = performance.now()
  let [first, last, firstStep, lastStep, steps] = [0, 0, 0, 0, 0]
  const emit = (event: string, payload: unknown): void => {
    if (event === 'started') steps = (payload as { steps?: number }).steps ?? 0
    if (event === 'message') ctx.emit('message', payload as { level: 'info'; text: string })
    if (event !== 'step') return
    const { step } = payload as { step: number }
    lastStep = step
    last = performance.now()
    if (first === 0) [first, firstStep] = [last, step]
    if (last - first > probeSeconds * 1000) stop.abort()
  }
  try {
    const signal = AbortSignal.any([ctx.signal, stop.signal])
    const training = { ...input, out: join(folder, 'out'), overwrite: false, pairs: [], evalEvery: 1e9 }
    const probe = {
      ...ctx,
      emit,
      signal,
      store,
      env: ctx.env,
      resume: undefined,
      invoke: ctx.invoke,
    } as unknown as HandlerContext<'distill'>
    await runTraining(input.teacher === undefined ? 'train' : 'distill', training as never, probe).catch((error: unknown) => {
      // Being stopped is the plan; a stop from outside, and every other error, is not.
      if (!(error instanceof StillroomError && error.code === 'interrupted') || ctx.signal.aborted) throw error
    })
    const probed = lastStep - firstStep
    const stepsPerSecond = probed > 0 ? probed / ((last - first) / 1000) : 1 / Math.max(1e-3, (first - start) / 1000)
    const setupSeconds = (first - start) / 1000
    return {
      steps,
      probed,
      stepsPerSecond,
      setupSeconds,
      seconds: setupSeconds + steps / stepsPerSecond,
      peakBytes: process.resourceUsage().maxRSS * 1024,
      diskBytes: diskOf(store),
    }
  } finally {
    store.close()
    rmSync(folder, { recursive: true, force: true })
  }
})

/** The two checkpoints that a run keeps, by the size of the one that the probe left. */
function diskOf(store: ReturnType<typeof openStore>): number {
  const [run] = store.listRuns({ limit: 1 })
  const path = run && store.checkpoints(run.id).at(-1)?.path
  return path ? 2 * statSync(path).size : 0
}
