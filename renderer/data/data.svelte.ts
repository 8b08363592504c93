import type { CommandOutput } from '../../engine/commands/contract/index.ts'
import { app } from '../app/app.svelte.ts'
import { fileName } from '../format/units.ts'

export type DataInspection = CommandOutput<'data.inspect'>
export type Preview = CommandOutput<'data.preview'>
export type Entry = CommandOutput<'library.list'>['entries'][number]

/** The preprocessing of images as it is edited: the fields of the engine's own document. */
export interface PreprocessDocument {
  channels: 'gray' | 'rgb' | 'bgr'
  size: [number, number]
  resize: 'none' | 'stretch' | 'crop'
  cropShare: number
  scale: number
  mean: number[]
  std: number[]
  layout: 'NCHW' | 'NHWC'
  dtype: string
}

/** The data sets that were added, and the one that is open. */
class Data {
  entries = $state.raw<Entry[]>([])
  loaded = $state(false)
  open = $state<string>()
  inspection = $state.raw<DataInspection>()
  preview = $state.raw<Preview>()
  busy = $state(false)
  error = $state.raw<unknown>()
  /** Model whose preprocessing is shown. */
  model = $state<string>('')
  /** The document while it is edited; undefined follows the model. */
  edited = $state<PreprocessDocument>()
  previewing = $state(false)
  previewError = $state.raw<unknown>()
  seed = $state(0)

  async refresh(): Promise<void> {
    try {
      this.entries = (await app.call('library.list', { kind: 'data' })).entries
      if (!this.open && this.entries[0]) await this.show(this.entries[0].path)
    } catch (error) {
      this.error = error
    } finally {
      this.loaded = true
    }
  }

  async add(path: string): Promise<void> {
    await this.show(path)
    if (!this.inspection || this.open !== path) return
    const { format, samples, labelled, classes } = this.inspection
    try {
      await app.call('library.add', { kind: 'data', path, facts: { format, samples, labelled, classes: classes.length } })
      if (!/^[a-z]+:/.test(path)) await app.door.recentFiles.add(path, 'data')
    } catch (error) {
      app.fail(error)
    }
    await this.refresh()
  }

  async show(path: string): Promise<void> {
    this.open = path
    this.busy = true
    this.error = undefined
    this.inspection = undefined
    this.preview = undefined
    this.edited = undefined
    try {
      const inspection = await app.call('data.inspect', { path })
      if (this.open !== path) return
      this.inspection = inspection
    } catch (error) {
      if (this.open === path) this.error = error
    } finally {
      if (this.open === path) this.busy = false
    }
    if (this.inspection) await this.look()
  }

  /** Fetch the contact sheet, prepared for the chosen model or by the edited document. */
  async look(): Promise<void> {
    const path = this.open
    if (!path) return
    this.previewing = true
    this.previewError = undefined
    try {
      const preview = await app.call('data.preview', {
        path,
        count: 48,
        size: 96,
        seed: this.seed,
        ...(this.model && !this.edited ? { model: this.model } : {}),
        ...(this.edited ? { preprocess: { ...$state.snapshot(this.edited) } } : {}),
      })
      if (this.open === path) this.preview = preview
    } catch (error) {
      if (this.open === path) this.previewError = error
    } finally {
      this.previewing = false
    }
  }

  /** Begin to edit what is in use, or the plainest document for these pictures. */
  edit(): void {
    const used = this.preview?.preprocess?.document as PreprocessDocument | undefined
    const [height = 28, width = 28, channels = 1] = this.preview?.samples[0]?.shape ?? []
    const each = (v: number): number[] => new Array<number>(channels === 1 ? 1 : 3).fill(v)
    this.edited = used
      ? (JSON.parse(JSON.stringify(used)) as PreprocessDocument)
      : {
          channels: channels === 1 ? 'gray' : 'rgb',
          size: [height, width],
          resize: 'stretch',
          cropShare: 1,
          scale: 1 / 255,
          mean: each(0),
          std: each(1),
          layout: 'NCHW',
          dtype: 'float32',
        }
    void this.look()
  }

  async save(): Promise<void> {
    const path = await app.door.pickSave('recipe', 'preprocess.json')
    if (!path || !this.edited) return
    try {
      await app.door.writeText(path, `${JSON.stringify($state.snapshot(this.edited), null, 2)}\n`)
      app.note(`Saved ${fileName(path)}; a plan can use it as its preprocessing`)
    } catch (error) {
      app.fail(error)
    }
  }

  async remove(entry: Entry): Promise<void> {
    await app.call('library.remove', { kind: 'data', path: entry.path })
    if (this.open === entry.path) {
      this.open = undefined
      this.inspection = undefined
      this.preview = undefined
    }
    await this.refresh()
    app.note(`${fileName(entry.path)} left the list; the files stay`, { undo: () => void this.add(entry.path) })
  }
}

export const data = new Data()
