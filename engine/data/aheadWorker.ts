/** Makes batches on a thread of its own; started by `ahead.ts`. Answers each asked step, in order. */
import { parentPort, workerData } from 'node:worker_threads'
import { StillroomError } from '../errors.ts'
import { augmentations } from './augment/list.gen.ts'
import { withOptions } from './augment.ts'
import { makeBatcher, type BatcherOptions } from './batcher.ts'
import { openDataSet } from './openDataSet.ts'
import type { AugmentOrigin, SetOrigin } from './origin.ts'
import type { Batch } from './types.ts'

/** What the worker is started with. */
export interface AheadJob {
  origin: SetOrigin
  /** The opened set must be the one that the trainer has. */
  expected: { length: number; labelled: boolean }
  augment: readonly AugmentOrigin[]
  options: Omit<BatcherOptions, 'dataset' | 'augment'>
}

/** What it says: that it is ready, a batch, or what went wrong. `step` is left out where it is of no use at all. */
export type AheadAnswer =
  | { ready: true }
  | { step: number; batch: Batch }
  | {
      step?: number
      error: { code?: StillroomError['code']; message: string; where?: string | undefined; hint?: string | undefined }
    }

const port = parentPort!

function failure(error: unknown): Extract<AheadAnswer, { error: unknown }>['error'] {
  if (!(error instanceof StillroomError)) return { message: (error as Error).message }
  return { code: error.code, message: error.message, where: error.where, hint: error.hint }
}

/** The memory of a batch, handed over instead of copied; what belongs to the data set stays. */
function memoryOf(batch: Batch, kept: ReadonlySet<Float32Array>): ArrayBuffer[] {
  const arrays = [batch.x, batch.y, ...batch.inputs.map((i) => i.values), ...batch.views.flatMap((v) => [v.x, v.y])]
  const own = arrays.filter((a): a is Float32Array => a !== undefined && !kept.has(a))
  return [...new Set(own.map((a) => a.buffer))].filter((b): b is ArrayBuffer => b instanceof ArrayBuffer)
}

async function serve({ origin, expected, augment, options }: AheadJob): Promise<void> {
  const dataset = await openDataSet(origin.spec, origin.options)
  if (dataset.length !== expected.length || dataset.labelled !== expected.labelled)
    throw new Error('the data set changed while it was in use')
  const made = augment.map(({ id, options: own }) => withOptions(augmentations.find((a) => a.id === id) as never, own))
  const batcher = makeBatcher({ ...options, dataset, augment: made })
  const kept = new Set((dataset.shared ?? []).map((s) => s.values))
  let last: Promise<void> = Promise.resolve()
  const answer = async (step: number): Promise<void> => {
    try {
      const batch = await batcher.at(step)
      port.postMessage({ step, batch } satisfies AheadAnswer, memoryOf(batch, kept))
    } catch (error) {
      port.postMessage({ step, error: failure(error) } satisfies AheadAnswer)
    }
  }
  // One after the other: two at once would read the same samples twice.
  port.on('message', (step: number) => (last = last.then(() => answer(step))))
  port.postMessage({ ready: true } satisfies AheadAnswer)
}

serve(workerData as AheadJob).catch((error: unknown) => port.postMessage({ error: failure(error) } satisfies AheadAnswer))
