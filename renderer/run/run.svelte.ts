import type { CommandOutput, JobEvent } from '../../engine/commands/contract/index.ts'
import { app, type Job } from '../app/app.svelte.ts'
import { Curves } from './curves.ts'

export type RunDetail = CommandOutput<'runs.show'>
interface LogLine {
  at: number
  level: 'info' | 'warning' | 'error'
  text: string
}
interface Step {
  step: number
  steps: number
  rate: number
  etaSeconds: number
  lr: number
  /** Peak of the schedule that `lr` is on. */
  peakLr?: number
  losses: Record<string, number>
  memoryBytes?: number
}

/** Redraws a second, at most: more would cost time that the training could use. */
const REDRAW_MS = 250
const LOG = 500

/** The run on the page: a job of the queue with its live events, or a run of the store. */
class Run {
  job = $state<string>()
  id = $state<string>()
  detail = $state.raw<RunDetail>()
  step = $state.raw<Step>()
  log = $state.raw<LogLine[]>([])
  stage = $state<string>()
  error = $state.raw<unknown>()
  /** Goes up when the curves have grown; charts follow it. */
  version = $state(0)
  readonly curves = new Curves()
  #off: (() => void) | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #loaded: string | undefined

  /** The job behind the page, as the queue has it now. */
  readonly current = $derived(
    app.queue.jobs.find((job) => (this.job ? job.id === this.job : this.id !== undefined && job.run === this.id)),
  )

  #reset(): void {
    this.#off?.()
    this.#off = undefined
    this.detail = undefined
    this.step = undefined
    this.log = []
    this.stage = undefined
    this.error = undefined
    this.#loaded = undefined
    this.curves.clear()
    this.version++
  }

  /** Follow a job from its beginning. */
  showJob(job: string): void {
    if (this.job === job) return
    this.#reset()
    this.job = job
    this.id = undefined
    this.#off = app.door.jobs.observe(job, (events) => this.#take(events))
  }

  /** Show a run of the store; the live job, when one works on it. */
  async showRun(id: string): Promise<void> {
    const live = app.queue.jobs.find((job) => job.run === id && (job.state === 'running' || job.state === 'queued'))
    if (live) return this.showJob(live.id)
    this.#reset()
    this.job = undefined
    this.id = id
    await this.#load(id)
  }

  /** The job that most likely interests: the running one, else the newest. */
  showAny(): void {
    if (this.job && app.queue.jobs.some((job) => job.id === this.job)) return
    if (this.id) return
    const job = app.running[0] ?? app.queue.jobs.toSorted((a, b) => b.created - a.created)[0]
    if (job) this.showJob(job.id)
  }

  /** What the store has: everything of an ended run, the part before the resumption of a live one. */
  async #load(id: string): Promise<void> {
    this.#loaded = id
    try {
      const [detail, { curves }, { lines }] = await Promise.all([
        app.call('runs.show', { id }),
        app.call('runs.curves', { id, points: 4000 }),
        app.call('runs.log', { id }),
      ])
      if (this.#loaded !== id) return
      this.detail = detail
      for (const { split, name, steps, values } of curves) this.curves.prepend(split, name, steps, values)
      if (this.log.length === 0) this.log = lines.map(({ at, level, text }) => ({ at: Date.parse(at), level, text }))
      this.#redraw()
    } catch (error) {
      this.error = error
    }
  }

  #take(events: readonly JobEvent[]): void {
    const lines: LogLine[] = []
    for (const { at, event, payload } of events) {
      if (event === 'step') {
        const step = payload as Step
        this.step = step
        for (const [name, value] of Object.entries(step.losses)) this.curves.add('train', name, step.step, value)
        this.curves.add('rate', 'learning rate', step.step, step.lr)
      } else if (event === 'evaluated') {
        const { step, split, metrics } = payload as { step: number; split: string; metrics: Record<string, number> }
        for (const [name, value] of Object.entries(metrics)) this.curves.add(split, name, step, value)
      } else if (event === 'message') lines.push({ at, ...(payload as { level: 'info'; text: string }) })
      else if (event === 'stage') lines.push({ at, level: 'info', text: `Part: ${(payload as { name: string }).name}` })
      else if (event === 'checkpoint')
        lines.push({ at, level: 'info', text: `Checkpoint at step ${(payload as { step: number }).step}` })
      else if (event === 'started') {
        const { run, resumedFromStep } = payload as { run: string; resumedFromStep?: number }
        this.id = run
        if (resumedFromStep) {
          lines.push({ at, level: 'info', text: `Resumed from step ${resumedFromStep}` })
          void this.#load(run)
        }
      }
    }
    if (lines.length > 0) this.log = [...this.log, ...lines].slice(-LOG)
    this.#redraw()
  }

  #redraw(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.version++
    }, REDRAW_MS)
  }

  async #try(act: () => Promise<unknown>): Promise<void> {
    try {
      await act()
    } catch (error) {
      app.fail(error)
    }
  }

  pause = (): Promise<void> =>
    this.#try(async () => {
      const job = this.current
      if (job) await app.door.jobs.cancel(job.id)
    })

  stopNow = (): Promise<void> =>
    this.#try(async () => {
      const job = this.current
      if (job) await app.door.jobs.cancel(job.id, { now: true })
    })

  /** Another peak learning rate for the run on the page; a run that is paused takes it when it goes on. */
  changeRate = (lr: number): Promise<void> =>
    this.#try(async () => {
      const { running } = await app.call('runs.rate', { id: this.id!, lr })
      app.note(`Peak learning rate ${lr} ${running ? 'from the next step on' : 'once the run goes on'}`)
    })

  resume = (): Promise<void> =>
    this.#try(async () => {
      const job = this.current
      const next = job?.resumable
        ? await app.door.jobs.resume(job.id)
        : this.id &&
          (await app.door.jobs.add('runs.resume', { id: this.id }, { title: this.detail?.name || `Resume ${this.id.slice(0, 8)}` }))
      if (next) this.showJob(next.id)
    })

  /** Fetch the run's result once its job has ended, and remember how long it took beside its forecast. */
  async ended(job: Job): Promise<void> {
    const forecasts = (app.settings.view['forecasts'] ?? {}) as Record<string, number>
    const forecast = forecasts[job.id]
    if (forecast && job.state === 'done' && job.started && job.ended) {
      const ratios = [
        ...((app.settings.view['forecastRatios'] as number[] | undefined) ?? []),
        (job.ended - job.started) / 1000 / forecast,
      ]
      const rest = Object.fromEntries(Object.entries(forecasts).filter(([id]) => id !== job.id))
      await app.remember({ forecasts: rest, forecastRatios: ratios.slice(-50) })
    }
    if (job.run && this.#loaded !== job.run) await this.#load(job.run)
  }
}

export const run = new Run()
