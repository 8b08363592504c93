import type { Door, MenuAction, Queue, Settings } from '../../engine/commands/contract/index.ts'
import { makeCall, type Call } from './client.ts'
import { learnMetrics } from '../format/metrics.svelte.ts'
import { isView, type ViewId } from './views.ts'

export type Job = Queue['jobs'][number]

/** A short note at the foot of the window; `undo` gives it a button. */
export interface Note {
  id: number
  text: string
  tone: 'info' | 'bad'
  undo?: (() => void) | undefined
}

const NOTE_MS = 6000

/** What every view shares: the door, the open view, the queue, the settings, notes. Views keep their own state in their controllers. */
class App {
  door!: Door
  call!: Call
  view = $state<ViewId>('models')
  queue = $state.raw<Queue>({ jobs: [], concurrency: 1, held: false })
  settings = $state.raw<Settings>({
    theme: 'system',
    concurrency: 1,
    threads: null,
    notify: true,
    keepAwake: true,
    view: {},
  })
  connection = $state<'open' | 'lost'>('open')
  notes = $state<Note[]>([])
  dialog = $state<'none' | 'shortcuts' | 'palette' | 'about' | 'notices'>('none')
  readonly running = $derived(this.queue.jobs.filter((job) => job.state === 'running' || job.state === 'stopping'))
  readonly waiting = $derived(this.queue.jobs.filter((job) => job.state === 'queued'))
  #actions = new Map<MenuAction, () => void>()
  #notes = 0

  async open(door: Door): Promise<void> {
    this.door = door
    this.call = makeCall(door)
    this.#use(await door.settings.get())
    const last = this.settings.view['view']
    if (isView(last)) this.view = last
    door.settings.onChange((settings) => this.#use(settings))
    door.jobs.onChange((queue) => (this.queue = queue))
    door.onConnection((state) => (this.connection = state))
    door.onMenu((action) => this.act(action))
    // Titles and units of metrics: pages show names until the engine has told them.
    void this.call('catalogue', {}).then(
      ({ metrics }) => learnMetrics(metrics),
      () => undefined,
    )
  }

  #use(settings: Settings): void {
    this.settings = settings
    const root = document.documentElement
    if (settings.theme === 'system') delete root.dataset['theme']
    else root.dataset['theme'] = settings.theme
  }

  /** Open a view; its heading takes the focus, so that a screen reader says where one is. */
  go(view: ViewId): void {
    if (this.view !== view) {
      this.view = view
      void this.remember({ view })
    }
    queueMicrotask(() => requestAnimationFrame(() => document.getElementById('view-title')?.focus()))
  }

  /** Keep something about the page across starts. */
  async remember(view: Record<string, unknown>): Promise<void> {
    await this.set({ view: { ...this.settings.view, ...view } })
  }

  async set(changes: Partial<Settings>): Promise<void> {
    try {
      this.#use(await this.door.settings.set(changes))
    } catch (error) {
      this.fail(error)
    }
  }

  /** What a menu entry or its keys do while a view is open; gives back what takes it away. */
  on(actions: Partial<Record<MenuAction, () => void>>): () => void {
    for (const [action, run] of Object.entries(actions)) this.#actions.set(action as MenuAction, run)
    return () => {
      for (const [action, run] of Object.entries(actions))
        if (this.#actions.get(action as MenuAction) === run) this.#actions.delete(action as MenuAction)
    }
  }

  /** Do what a menu entry says. An action that nothing on the page offers now does nothing. */
  act(action: MenuAction): void {
    const view = action.startsWith('show-') ? action.slice('show-'.length) : undefined
    if (isView(view)) this.go(view)
    else if (action === 'show-shortcuts') this.dialog = 'shortcuts'
    else if (action === 'show-about') this.dialog = 'about'
    else this.#actions.get(action)?.()
  }

  can(action: MenuAction): boolean {
    return this.#actions.has(action)
  }

  note(text: string, options: { tone?: Note['tone']; undo?: () => void } = {}): void {
    const note: Note = { id: ++this.#notes, text, tone: options.tone ?? 'info', undo: options.undo }
    this.notes.push(note)
    setTimeout(() => this.dismiss(note.id), NOTE_MS)
  }

  fail(error: unknown): void {
    const { message, hint } = error as { message?: string; hint?: string }
    this.note([message ?? String(error), hint].filter(Boolean).join('. '), { tone: 'bad' })
  }

  dismiss(id: number): void {
    this.notes = this.notes.filter((note) => note.id !== id)
  }
}

export const app = new App()
