import type { CommandOutput } from '../../engine/commands/contract/index.ts'
import { app } from '../app/app.svelte.ts'
import { fileName } from '../format/units.ts'

export type Inspection = CommandOutput<'inspect'>
export type ModelGraph = CommandOutput<'model.graph'>
export type Entry = CommandOutput<'library.list'>['entries'][number]
export type Layer = Inspection['layers'][number] & {
  parameters?: number
  macs?: number | null
  bytes?: number
  activationBytes?: number | null
  outputs?: (number[] | null)[]
}
export type Tab = 'layers' | 'graph' | 'blockers' | 'facts'

/**
 * The name that a node has in the file: ONNX Runtime marks those that it moved to blocked layout, and names a fused one after the last
 * of its parts.
 */
const ownName = (name: string): string => name.replace(/_nchwc$/, '')

/** The library of models and the one that is open in the inspector. */
class Models {
  entries = $state.raw<Entry[]>([])
  loaded = $state(false)
  open = $state<string>()
  tab = $state<Tab>('layers')
  inspection = $state.raw<Inspection>()
  graph = $state.raw<ModelGraph>()
  /** Median time of each layer by name, milliseconds; once the profile was taken. */
  times = $state.raw<Map<string, number>>()
  profiling = $state(false)
  busy = $state(false)
  error = $state.raw<unknown>()
  /** Name of the node that is shown beside the graph. */
  node = $state<string>()

  async refresh(): Promise<void> {
    try {
      const { entries } = await app.call('library.list', { kind: 'model' })
      this.entries = entries
      if (!this.open && entries[0]) await this.show(entries[0].path)
    } catch (error) {
      this.error = error
    } finally {
      this.loaded = true
    }
  }

  /** Look into a file and keep it in the library. A file that cannot be read is not kept. */
  async add(path: string): Promise<void> {
    await this.show(path)
    if (!this.inspection || this.open !== path) return
    const { nodes, parameters, bytes, macs, opset, differentiable } = this.inspection
    const facts = { nodes, parameters, bytes, opset, differentiable, ...(typeof macs === 'number' ? { macs } : {}) }
    try {
      await app.call('library.add', { kind: 'model', path, facts })
      await app.door.recentFiles.add(path, 'model')
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
    this.graph = undefined
    this.times = undefined
    this.node = undefined
    try {
      const inspection = await app.call('inspect', { model: path })
      if (this.open === path) this.inspection = inspection
    } catch (error) {
      if (this.open === path) this.error = error
    } finally {
      if (this.open === path) this.busy = false
    }
    if (this.tab === 'graph') await this.loadGraph()
  }

  async loadGraph(): Promise<void> {
    const path = this.open
    if (!path || this.graph) return
    try {
      const graph = await app.call('model.graph', { model: path })
      if (this.open === path) this.graph = graph
    } catch (error) {
      if (this.open === path) this.error = error
    }
  }

  /** Time every layer on this machine. */
  async profile(): Promise<void> {
    const path = this.open
    if (!path) return
    this.profiling = true
    try {
      const { models } = await app.call('benchmark', { model: path, layers: true, repeats: 20 })
      const layers = (models[0]?.layers ?? []) as { name: string; medianMs: number }[]
      if (this.open === path) this.times = new Map(layers.map((layer) => [ownName(layer.name), layer.medianMs]))
    } catch (error) {
      app.fail(error)
    } finally {
      this.profiling = false
    }
  }

  /** Take a model out of the list; the file stays, so it can be put back. */
  async remove(entry: Entry): Promise<void> {
    await app.call('library.remove', { kind: 'model', path: entry.path })
    if (this.open === entry.path) {
      this.open = undefined
      this.inspection = undefined
      this.error = undefined
    }
    await this.refresh()
    app.note(`${fileName(entry.path)} left the list; the file stays where it is`, { undo: () => void this.add(entry.path) })
  }

  select(path: string): void {
    if (path !== this.open) void this.show(path)
  }
}

export const models = new Models()
