import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { type CommandName, commands, Job } from '../contract/index.ts'
import { EngineExitedError } from '../transports.ts'
import { toWire } from '../contract/index.ts'
import { isResumable } from './hosts.ts'
import { readJson } from './jsonFile.ts'

/** What is kept of the queue between two starts. */
export const QueueFile = z.object({ held: z.boolean(), jobs: z.array(Job) })
export type QueueFile = z.output<typeof QueueFile>

const ACTIVE = new Set<Job['state']>(['running', 'stopping'])
export const isActive = ({ state }: Job): boolean => ACTIVE.has(state)
export const isEnded = (job: Job): boolean => job.state !== 'queued' && !isActive(job)

/** A new job that waits. */
export function newJob(
  command: CommandName,
  input: Record<string, unknown>,
  options: { title?: string | undefined; priority?: number | undefined },
): Job {
  return {
    id: randomUUID(),
    command,
    title: options.title ?? commands[command].help,
    input,
    priority: options.priority ?? 0,
    state: 'queued',
    created: Date.now(),
    started: null,
    ended: null,
    run: command === 'runs.resume' ? String(input['id']) : null,
    resumable: false,
    stage: null,
    progress: null,
    result: null,
    error: null,
  }
}

/** Write down an event of a running job. */
export function note(job: Job, event: Job['progress'] & object): void {
  const { run } = (event.payload ?? {}) as { run?: unknown }
  if (event.event === 'started' && typeof run === 'string') job.run = run
  if (event.event === 'stage') job.stage = event.payload
  if (event.event === 'step' || event.event === 'progress') job.progress = event
}

/**
 * Write down how a job ended. A run that exists can be gone on with unless it is done: `stopped` when that was asked for, `interrupted`
 * when its process died or the program was closed.
 */
export function end(job: Job, outcome: { result: unknown } | { error: unknown }, closing: boolean): void {
  const asked = job.state === 'stopping'
  job.ended = Date.now()
  if ('result' in outcome) {
    job.state = 'done'
    job.result = outcome.result
    const { run } = (outcome.result ?? {}) as { run?: unknown }
    if (typeof run === 'string') job.run = run
    return
  }
  const error = toWire(outcome.error)
  job.error = error
  const died = outcome.error instanceof EngineExitedError
  if (job.run !== null && (died || error.code === 'interrupted')) job.state = asked && !closing ? 'stopped' : 'interrupted'
  else job.state = asked && (died || error.code === 'interrupted') ? 'cancelled' : 'failed'
  job.resumable = job.run !== null && isResumable(job.command)
}

/** The queue as the last start left it. What ran then was cut off with the program. */
export function readQueue(file: string): QueueFile {
  const kept = readJson(file, QueueFile, { held: false, jobs: [] })
  for (const job of kept.jobs.filter(isActive)) {
    job.state = job.run === null ? 'failed' : 'interrupted'
    job.resumable = job.run !== null
    job.ended = Date.now()
    job.error = {
      code: 'engine-exited',
      message: 'Stillroom ended while this was under way',
      ...(job.run === null ? {} : { where: job.run, hint: 'resume it: it goes on from its last checkpoint' }),
    }
  }
  return kept
}
