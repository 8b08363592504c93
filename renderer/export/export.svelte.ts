import type { CommandOutput } from '../../engine/commands/contract/index.ts'
import { app } from '../app/app.svelte.ts'
import { fileName } from '../format/units.ts'

export type ExportResult = CommandOutput<'export'>
export const variants = [
  { id: 'fp32', title: 'Float', text: 'model.onnx, as it was trained' },
  { id: 'ort', title: 'ORT', text: 'for reduced ONNX Runtime builds' },
  { id: 'int8', title: 'int8', text: 'a quarter of the size; needs data for calibration' },
  { id: 'fp16', title: 'Half precision', text: 'half of the size, for GPUs and NPUs' },
] as const

/** What is to be exported, where to, and what was written. */
class Exporting {
  model = $state('')
  data = $state('')
  out = $state('')
  chosen = $state<string[]>(['fp32', 'ort'])
  overwrite = $state(false)
  job = $state<string>()
  error = $state.raw<unknown>()
  readonly current = $derived(
    app.queue.jobs.find((job) => job.id === this.job) ?? app.queue.jobs.find((job) => job.command === 'export'),
  )
  readonly result = $derived(this.current?.state === 'done' ? (this.current.result as ExportResult) : undefined)

  use(model: string, data?: string): void {
    this.model = model
    if (data) this.data = data
  }

  async pick(): Promise<void> {
    const path = await app.door.pickFolder('write')
    if (path) this.out = path
  }

  async start(): Promise<void> {
    this.error = undefined
    try {
      const input = {
        model: this.model,
        out: this.out,
        variants: $state.snapshot(this.chosen),
        overwrite: this.overwrite,
        ...(this.data ? { data: this.data } : {}),
      }
      this.job = (await app.door.jobs.add('export', input, { title: `Export ${fileName(this.model)}` })).id
    } catch (error) {
      this.error = error
    }
  }
}

export const exporting = new Exporting()
