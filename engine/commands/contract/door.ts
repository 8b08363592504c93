/**
 * What a page sees of the program, whichever front door it came through: the desktop's preload or a WebSocket on the loopback
 * interface. Types alone; the messages behind them, with their schemas, are in `doorMessages.ts`.
 */
import type { MenuAction } from './menu.ts'
import type { DoorInfo, Grant, Job, JobEvent, Listing, PickKind, Queue, Recent, Settings } from './doorMessages.ts'

export type Unsubscribe = () => void

/**
 * The door. `invoke`, `subscribe` and `cancel` make it a `Transport`: `makeClient(commandNames, door)` gives a typed function for each
 * command, for what answers within seconds (inspect, lists, previews). What takes longer goes through `jobs`.
 * Every rejected promise is a `StillroomError` (`code`, `message`, `where`, `hint`).
 */
export interface Door {
  readonly kind: 'electron' | 'browser'
  /** Versions, platform, folders; read once when the door opens. */
  readonly info: DoorInfo

  /** Run a short command. `id` names the call for its events and for `cancel`. Lost with the page. */
  invoke(id: string, command: string, input: unknown): Promise<unknown>
  /** Events of the call `id`; subscribe before `invoke`. */
  subscribe(id: string, listener: (event: string, payload: unknown) => void): Unsubscribe
  cancel(id: string): void

  readonly jobs: Jobs

  /** Ask the person for a file. Undefined when they change their mind. Its path may then be used in commands. */
  pickFile(kind: PickKind): Promise<string | undefined>
  /** Ask for a folder: to read from, or one that receives files. */
  pickFolder(purpose: 'read' | 'write'): Promise<string | undefined>
  /** Ask where to save one file. */
  pickSave(kind: PickKind, suggestedName: string): Promise<string | undefined>
  /**
   * Paths of files that were dropped on the page or chosen by an `<input type="file">`, in their order; they may then be used in commands.
   * A desktop knows where they lie. A browser does not: there the bytes are copied into the program's own folder, together, so that a
   * model finds its external data beside it; a folder cannot be dropped there (pick it).
   */
  pathsOfDroppedFiles(files: readonly File[]): Promise<string[]>
  /** The same for one file. */
  pathOfDroppedFile(file: File): Promise<string>
  /** Whether `revealInFolder` can show anything: not in a browser, whose machine may be another. */
  readonly canReveal: boolean
  revealInFolder(path: string): Promise<void>
  /** A text of at most 1 MiB from a file that may be read, e.g. a recipe. */
  readText(path: string): Promise<string>
  /** Write a text where the person said (`pickSave`, `pickFolder('write')`). */
  writeText(path: string, text: string): Promise<void>

  /** What commands may touch, by choice of the person. */
  readonly grants: { list(): Promise<Grant[]>; revoke(path: string): Promise<void> }
  readonly recentFiles: {
    /** Newest first; those that are gone are left out. */
    list(): Promise<Recent[]>
    /** Of a path that may be used. */
    add(path: string, kind: PickKind): Promise<void>
    clear(): Promise<void>
  }
  readonly settings: {
    get(): Promise<Settings>
    /** Only the given fields change. `theme` takes effect at once in native parts (dialogs, `prefers-color-scheme`). */
    set(changes: Partial<Settings>): Promise<Settings>
    onChange(listener: (settings: Settings) => void): Unsubscribe
  }

  /** An entry of the application menu was chosen. Silent in a browser: there the page itself listens for the keys of `menus`. */
  onMenu(listener: (action: MenuAction) => void): Unsubscribe
  /** Files that the system asked the program to open (double click, second start); they may be used. Told again to a late listener. */
  onOpenFiles(listener: (paths: string[]) => void): Unsubscribe
  /** The connection to the program: `lost` means that calls reject until it is `open` again; jobs go on meanwhile. */
  onConnection(listener: (state: 'open' | 'lost') => void): Unsubscribe
}

/** The queue of long commands. It belongs to the program, not to the page: it survives a reload, and what waits survives a quit. */
export interface Jobs {
  /** Put a command at the end of the queue. Resume a run by adding `runs.resume` with its id. */
  add(command: string, input: unknown, options?: { title?: string; priority?: number }): Promise<Job>
  list(): Promise<Queue>
  /** The whole queue, at once and after each change of a job's state, order or progress (at most ten times a second). */
  onChange(listener: (queue: Queue) => void): Unsubscribe
  /**
   * Events of a job: those so far (thinned to about 2,000 steps, so that a curve can be drawn again after a reload), then each as it comes.
   * @param listener called with events in order, several at a time
   */
  observe(id: string, listener: (events: readonly JobEvent[]) => void): Unsubscribe
  /**
   * Take a waiting job out, or stop a running one. Training then finishes its step and writes a checkpoint: state `stopped`, to be resumed.
   * That is also what Pause is. `now` ends its process at once.
   */
  cancel(id: string, options?: { now?: boolean }): Promise<void>
  /** Add the job again that goes on with this one's run. */
  resume(id: string): Promise<Job>
  /** Place a waiting job before another, or last. */
  reorder(id: string, before: string | null): Promise<void>
  /** Higher runs earlier; equal ones in their order. */
  setPriority(id: string, priority: number): Promise<void>
  /** How many run at a time, 1 to 16. */
  setConcurrency(count: number): Promise<void>
  /** Hold back what waits, or let it go. What runs goes on. */
  setHeld(held: boolean): Promise<void>
  /** Forget an ended job, or all of them. */
  remove(id?: string): Promise<void>
}

/** The browser's view of the folders that `stillroom serve` was told to show; drawn by the page, in place of a native dialog. */
export interface FileListing {
  /** Without a path: the folders to start from. */
  list(path?: string): Promise<Listing>
}

/** What the person is asked to choose. */
export interface PickRequest {
  mode: 'file' | 'folder' | 'save'
  kind: PickKind
  /** For a folder: whether it will be written to. */
  purpose: 'read' | 'write'
  suggestedName?: string
}

/** The page's own file dialog, used in a browser. Undefined when the person changes their mind. */
export type Picker = (request: PickRequest, files: FileListing) => Promise<string | undefined>

/**
 * What carries a door's messages, and all that the desktop's preload exposes (as `window.stillroom`). The page never uses it itself:
 * `renderer/door` makes the `Door` of it.
 */
export interface Wire {
  readonly kind: Door['kind']
  /** Never rejects for an error of the program: an answer has `ok` or `error`. */
  request(name: string, params: unknown): Promise<unknown>
  /** What the program says by itself: events, changes of the queue, menu actions. */
  listen(listener: (push: unknown) => void): Unsubscribe
  /** Path of each file that the person dropped or chose, after which it may be used. */
  takeFiles(files: readonly File[]): Promise<unknown>
}
