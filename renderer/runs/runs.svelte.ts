import type { CommandOutput } from '../../engine/commands/contract/index.ts'
import { app } from '../app/app.svelte.ts'
import { fileName } from '../format/units.ts'

export type RunRow = CommandOutput<'runs.list'>['runs'][number]
export type Comparison = CommandOutput<'runs.compare'>
export type Curve = CommandOutput<'runs.curves'>['curves'][number]

/** The name of a run in lists: what the person wrote, else what it trained. */
export const runTitle = (run: RunRow): string =>
  run.name || `${run.student ? fileName(run.student.replace(/^template:/, '')) : run.kind}`

/** All runs of the store: found, marked, compared, labelled. */
class Runs {
  all = $state.raw<RunRow[]>([])
  loaded = $state(false)
  error = $state.raw<unknown>()
  text = $state('')
  status = $state('')
  tag = $state('')
  open = $state<string>()
  marked = $state.raw<Set<string>>(new Set())
  comparison = $state.raw<Comparison>()
  curves = $state.raw<Map<string, Curve[]>>(new Map())

  readonly tags = $derived([...new Set(this.all.flatMap((run) => run.tags))].toSorted())
  /** A lower-case line of everything that can be searched, made once for each run. */
  readonly #index = $derived(
    this.all.map((run) =>
      [run.id, run.name, run.kind, run.status, run.teacher, run.data, run.student, run.note, ...run.methods, ...run.tags]
        .join('\n')
        .toLowerCase(),
    ),
  )
  readonly shown = $derived.by(() => {
    const words = this.text.toLowerCase().split(/\s+/).filter(Boolean)
    return this.all.filter(
      (run, i) =>
        (!this.status || run.status === this.status) &&
        (!this.tag || run.tags.includes(this.tag)) &&
        words.every((word) => this.#index[i]!.includes(word)),
    )
  })
  readonly current = $derived(this.all.find((run) => run.id === this.open))
  readonly metrics = $derived([...new Set(this.all.flatMap((run) => Object.keys(run.numbers)))])

  async refresh(): Promise<void> {
    try {
      this.all = (await app.call('runs.list', {})).runs
      this.error = undefined
    } catch (error) {
      this.error = error
    } finally {
      this.loaded = true
    }
  }

  mark(run: RunRow, on: boolean): void {
    const next = new Set(this.marked)
    if (on) next.add(run.id)
    else next.delete(run.id)
    this.marked = next
  }

  /** Fetch what the marked runs differ in, and their curves. */
  async compare(): Promise<void> {
    const ids = [...this.marked]
    if (ids.length < 2) return
    try {
      const [comparison, ...curves] = await Promise.all([
        app.call('runs.compare', { ids }),
        ...ids.map((id) => app.call('runs.curves', { id, points: 1500 })),
      ])
      this.curves = new Map(ids.map((id, i) => [id, curves[i]!.curves]))
      this.comparison = comparison
    } catch (error) {
      app.fail(error)
    }
  }

  async label(id: string, label: { name?: string; tags?: string[]; note?: string }): Promise<void> {
    try {
      const changed = await app.call('runs.label', { id, ...label })
      this.all = this.all.map((run) => (run.id === id ? changed : run))
    } catch (error) {
      app.fail(error)
    }
  }

  async remove(run: RunRow): Promise<void> {
    try {
      await app.call('runs.delete', { id: run.id })
      this.marked = new Set([...this.marked].filter((id) => id !== run.id))
      if (this.open === run.id) this.open = undefined
      await this.refresh()
      app.note(`${runTitle(run)} was deleted`)
    } catch (error) {
      app.fail(error)
    }
  }

  /** What a run was made from and what was made of it, nearest first: a run belongs to another when it took the model that one wrote. */
  lineage(of: RunRow): { before: RunRow[]; after: RunRow[] } {
    const takes = (run: RunRow, other: RunRow): boolean =>
      other.model !== null && (run.teacher === other.model || run.student === other.model)
    const walk = (next: (run: RunRow) => RunRow[]): RunRow[] => {
      const found: RunRow[] = []
      const queue = [of]
      for (let run = queue.shift(); run; run = queue.shift()) {
        for (const other of next(run)) {
          if (other === of || found.includes(other)) continue
          found.push(other)
          queue.push(other)
        }
      }
      return found
    }
    return {
      before: walk((run) => this.all.filter((other) => takes(run, other))),
      after: walk((run) => this.all.filter((other) => takes(other, run))),
    }
  }
}

export const runs = new Runs()
