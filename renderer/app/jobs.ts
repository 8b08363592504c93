import type { Job } from './app.svelte.ts'

/** Where a job stands: steps of a training or parts of other work, and the seconds left where they are known. */
export function progressOf(
  job: Job,
): { done: number; total: number | undefined; unit: string; eta: number | undefined } | undefined {
  const payload = job.progress?.payload as Record<string, unknown> | undefined
  if (!payload) return undefined
  if (job.progress?.event === 'step')
    return { done: Number(payload['step']), total: Number(payload['steps']), unit: 'steps', eta: Number(payload['etaSeconds']) }
  const total = payload['total']
  return {
    done: Number(payload['done'] ?? 0),
    total: typeof total === 'number' ? total : undefined,
    unit: String(payload['unit'] ?? ''),
    eta: undefined,
  }
}

/** `distill 3 of 5` while a pipeline works, or undefined. */
export function stageOf(job: Job): string | undefined {
  const stage = job.stage as { name?: string; index?: number; of?: number } | null | undefined
  if (!stage?.name) return undefined
  return stage.of && stage.of > 1 ? `${stage.name}, part ${stage.index} of ${stage.of}` : stage.name
}

const words: Record<Job['state'], string> = {
  queued: 'Waiting',
  running: 'Running',
  stopping: 'Finishing its step',
  done: 'Done',
  failed: 'Failed',
  stopped: 'Paused',
  interrupted: 'Interrupted',
  cancelled: 'Cancelled',
}

export const stateWord = (state: string): string => words[state as Job['state']] ?? state

export const stateTone = (state: string): '' | 'good' | 'warn' | 'bad' =>
  state === 'failed'
    ? 'bad'
    : state === 'interrupted' || state === 'stopped'
      ? 'warn'
      : state === 'running' || state === 'done'
        ? 'good'
        : ''
