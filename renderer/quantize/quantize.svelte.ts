import type { CommandOutput } from '../../engine/commands/contract/index.ts'
import { app } from '../app/app.svelte.ts'
import { fileName } from '../format/units.ts'

export type QuantizeResult = CommandOutput<'quantize'>
export type Layer = QuantizeResult['layers'][number]

/** One assignment of precisions that a mixed search made and judged. */
export interface Trial {
  half: string[]
  /** Loss of the task metric, as a share; negative where it is better. */
  drop: number
  bytes: number
}

/** What is to be quantized, and the result that is on the page. */
class Quantizing {
  model = $state('')
  data = $state('')
  options = $state<Record<string, unknown>>({ scheme: 'int8' })
  job = $state<string>()
  error = $state.raw<unknown>()
  /** The result of the job, or of an earlier run that was opened. */
  readonly current = $derived(
    app.queue.jobs.find((job) => job.id === this.job) ?? app.queue.jobs.find((job) => job.command === 'quantize'),
  )
  readonly result = $derived(this.current?.state === 'done' ? (this.current.result as QuantizeResult) : undefined)

  /** The search for a cause that belongs to the result on the page. */
  readonly diagnosis = $derived(
    app.queue.jobs.find((job) => job.command === 'why' && this.result && job.input['quantized'] === this.result.model),
  )

  use(model: string, data?: string): void {
    this.model = model
    if (data) this.data = data
  }

  /** Ask why the result is worse than the float model it was made of. */
  async explain(): Promise<void> {
    const input = this.current?.input
    if (!this.result || !input) return
    const { model, data, split, labels, preprocess, seed } = input
    const shared = Object.fromEntries(Object.entries({ split, labels, preprocess, seed }).filter(([, v]) => v !== undefined))
    try {
      const title = `Why ${this.result.scheme} loses on ${fileName(String(data))}`
      await app.door.jobs.add('why', { model, data, quantized: this.result.model, ...shared }, { title })
    } catch (error) {
      app.fail(error)
    }
  }

  /** Quantize again as the diagnosis says, into a run of its own; the form shows what changed. */
  async apply(fix: Record<string, unknown>): Promise<void> {
    const { model, data, out: _out, store: _store, ...options } = fix
    this.use(String(model), String(data))
    this.options = { ...options }
    await this.start()
  }

  async start(): Promise<void> {
    this.error = undefined
    const options = Object.fromEntries(Object.entries($state.snapshot(this.options)).filter(([, v]) => v !== '' && v !== null))
    try {
      const title = `${String(options['scheme'] ?? 'int8')} of ${fileName(this.model)}`
      this.job = (await app.door.jobs.add('quantize', { model: this.model, data: this.data, ...options }, { title })).id
    } catch (error) {
      this.error = error
    }
  }
}

export const quantizing = new Quantizing()
