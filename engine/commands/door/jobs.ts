import { OptionError } from '../../errors.ts'
import { commands, isCommandName, type Job, type JobEvent, parseInput, type Queue } from '../contract/index.ts'
import type { ChildTransport } from '../transports.ts'
import { type History, makeHistory } from './history.ts'
import { isResumable } from './hosts.ts'
import { end, isActive, isEnded, newJob, note, readQueue } from './jobRecord.ts'
import { writeJson } from './jsonFile.ts'

/** Pages hear of progress at most this often, in milliseconds. */
const PUSH_MS = 100
/** Ended jobs that are kept. */
const KEPT = 200

export interface JobsOptions {
  /** A fresh engine host for each job: a crash costs one run. */
  start(): ChildTransport
  /** Where the queue is kept between two starts. */
  file: string
  concurrency: number
  onQueue(queue: Queue): void
  onEvents(id: string, events: JobEvent[]): void
  /** A job ended by itself or by a crash, not by the person's wish. */
  onEnd?(job: Job): void
}

/** The queue of long commands. */
export interface JobQueue {
  /** Inputs are checked here by the contract; paths are the caller's business. */
  add(command: string, input: unknown, options?: { title?: string | undefined; priority?: number | undefined }): Job
  queue(): Queue
  get(id: string): Job
  history(id: string): JobEvent[]
  cancel(id: string, now: boolean): void
  resume(id: string): Job
  reorder(id: string, before: string | null): void
  setPriority(id: string, priority: number): void
  setConcurrency(count: number): void
  setHeld(held: boolean): void
  remove(id: string | null): void
  running(): Job[]
  /** Stop what runs, with a checkpoint, or at once after `graceMs`. What waits stays for the next start. */
  close(graceMs: number): Promise<void>
}

export function openJobs({ start, file, concurrency, onQueue, onEvents, onEnd }: JobsOptions): JobQueue {
  const kept = readQueue(file)
  let { jobs, held } = kept
  let closing = false
  const live = new Map<string, { host: ChildTransport; ended: Promise<void> }>()
  const histories = new Map<string, History>()
  const unsent = new Map<string, JobEvent[]>()
  let timer: NodeJS.Timeout | undefined

  const waiting = (): Job[] =>
    jobs.filter(({ state }) => state === 'queued').sort((a, b) => b.priority - a.priority || jobs.indexOf(a) - jobs.indexOf(b))
  const queue = (): Queue => ({
    jobs: [...jobs.filter(isActive), ...waiting(), ...jobs.filter(isEnded).sort((a, b) => b.ended! - a.ended!)],
    concurrency,
    held,
  })
  const push = (): void => {
    timer = undefined
    for (const [id, events] of unsent) onEvents(id, events)
    unsent.clear()
    onQueue(queue())
  }
  /** Something moved: tell it soon, together with what else moves until then. */
  const moved = (): void => void (timer ??= setTimeout(push, PUSH_MS))
  /** A state changed: write it down, tell it, and see whether another job can start. */
  const changed = (): void => {
    const old = jobs
      .filter(isEnded)
      .sort((a, b) => b.ended! - a.ended!)
      .slice(KEPT)
    if (old.length > 0) jobs = jobs.filter((job) => !old.includes(job))
    writeJson(file, { held, jobs })
    clearTimeout(timer)
    push()
    if (!closing) startNext()
  }

  const run = async (job: Job): Promise<void> => {
    const host = start()
    const history = makeHistory()
    histories.set(job.id, history)
    const unsubscribe = host.subscribe(job.id, (event, payload) => {
      const entry = history.add(event, payload, Date.now())
      const hadRun = job.run
      note(job, entry)
      // The run's id must survive a crash of this process.
      if (job.run !== hadRun) writeJson(file, { held, jobs })
      unsent.set(job.id, [...(unsent.get(job.id) ?? []), entry])
      moved()
    })
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    live.set(job.id, { host, ended })
    try {
      end(job, { result: await host.invoke(job.id, job.command, job.input) }, closing)
    } catch (error) {
      end(job, { error }, closing)
    }
    unsubscribe()
    await host.close()
    live.delete(job.id)
    resolve()
    changed()
    if (!closing && job.state !== 'stopped' && job.state !== 'cancelled') onEnd?.(job)
  }
  const startNext = (): void => {
    while (!held && live.size < concurrency) {
      const [job] = waiting()
      if (!job) return
      Object.assign(job, { state: 'running', started: Date.now() })
      writeJson(file, { held, jobs })
      void run(job)
      moved()
    }
  }

  const get = (id: string): Job => {
    const job = jobs.find((one) => one.id === id)
    if (!job) throw new OptionError(`there is no job '${id}'`, { where: 'id' })
    return job
  }
  const getWaiting = (id: string): Job => {
    const job = get(id)
    if (job.state !== 'queued')
      throw new OptionError(`job '${job.title}' does not wait any more: it is ${job.state}`, { where: 'id' })
    return job
  }
  const add: JobQueue['add'] = (command, input, options = {}) => {
    if (!isCommandName(command)) throw new OptionError(`there is no command '${command}'`, { where: 'command' })
    if (commands[command].runsIn !== 'engine')
      throw new OptionError(`'${command}' answers at once and is no job`, { where: 'command' })
    parseInput(commands[command].input, input)
    const job = newJob(command, input as Record<string, unknown>, options)
    jobs.push(job)
    changed()
    return job
  }
  // What waited when the program was closed goes on now; tell and start once the caller has its hands on the queue.
  queueMicrotask(changed)

  return {
    add,
    queue,
    get,
    history: (id) => histories.get(id)?.all() ?? [],
    cancel(id, now) {
      const job = get(id)
      if (isEnded(job)) return
      if (job.state === 'queued') {
        Object.assign(job, { state: 'cancelled', ended: Date.now() })
        return changed()
      }
      job.state = 'stopping'
      const host = live.get(id)?.host
      if (now || !isResumable(job.command)) host?.kill()
      else host?.cancel(id)
      changed()
    },
    resume(id) {
      const job = get(id)
      if (!job.resumable || job.run === null)
        throw new OptionError(`job '${job.title}' left no run to go on with`, { where: 'id', hint: 'start it again' })
      const store = job.input['store'] === undefined ? {} : { store: job.input['store'] }
      const next = add('runs.resume', { id: job.run, ...store }, { title: job.title, priority: job.priority })
      job.resumable = false
      changed()
      return next
    },
    reorder(id, before) {
      const job = getWaiting(id)
      const target = before === null ? undefined : getWaiting(before)
      const rest = jobs.filter((one) => one !== job)
      // To stand before another, a job must be at least as urgent; last means behind the least urgent one.
      job.priority =
        target?.priority ?? Math.min(job.priority, ...rest.filter(({ state }) => state === 'queued').map((one) => one.priority))
      rest.splice(target ? rest.indexOf(target) : rest.length, 0, job)
      jobs = rest
      changed()
    },
    setPriority(id, priority) {
      getWaiting(id).priority = priority
      changed()
    },
    setConcurrency(count) {
      concurrency = count
      changed()
    },
    setHeld(value) {
      held = value
      changed()
    },
    remove(id) {
      if (id !== null && !isEnded(get(id))) throw new OptionError('a job that runs or waits is cancelled first', { where: 'id' })
      for (const job of jobs) if (isEnded(job) && (id === null || job.id === id)) histories.delete(job.id)
      jobs = jobs.filter((job) => !isEnded(job) || (id !== null && job.id !== id))
      changed()
    },
    running: () => jobs.filter(isActive),
    async close(graceMs) {
      closing = true
      const all = [...live]
      for (const [id, { host }] of all) {
        if (isResumable(get(id).command)) host.cancel(id)
        else host.kill()
      }
      const late = setTimeout(() => all.forEach(([, { host }]) => host.kill()), graceMs)
      await Promise.all(all.map(([, { ended }]) => ended))
      clearTimeout(late)
      clearTimeout(timer)
    },
  }
}
