import type { CommandOutput } from '../../engine/commands/contract/index.ts'
import { app } from '../app/app.svelte.ts'
import { fileName } from '../format/units.ts'

export type BenchmarkResult = CommandOutput<'benchmark'> & {
  batch?: number
  repeats?: number
  peakMethod?: string
  device: string | { cpu?: string; cores?: number; threads?: number; provider?: string }
}

/** What is to be measured, and the measurement on the page. */
class Benchmark {
  model = $state('')
  against = $state('')
  batch = $state(1)
  repeats = $state(50)
  threads = $state<number | null>(null)
  layers = $state(true)
  job = $state<string>()
  error = $state.raw<unknown>()
  readonly current = $derived(
    app.queue.jobs.find((job) => job.id === this.job) ?? app.queue.jobs.find((job) => job.command === 'benchmark'),
  )
  readonly result = $derived(this.current?.state === 'done' ? (this.current.result as BenchmarkResult) : undefined)

  use(model: string, against?: string): void {
    this.model = model
    if (against) this.against = against
  }

  async start(): Promise<void> {
    this.error = undefined
    try {
      const input = {
        model: this.model,
        ...(this.against ? { against: this.against } : {}),
        batch: this.batch,
        repeats: this.repeats,
        layers: this.layers,
        ...(this.threads ? { threads: this.threads } : {}),
      }
      const title = `${fileName(this.model)}${this.against ? ` against ${fileName(this.against)}` : ''}`
      this.job = (await app.door.jobs.add('benchmark', input, { title })).id
    } catch (error) {
      this.error = error
    }
  }
}

export const benchmark = new Benchmark()
