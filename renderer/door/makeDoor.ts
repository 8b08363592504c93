import type {
  Door,
  DoorAnswer,
  DoorParams,
  DoorPush,
  DoorRequest,
  FileListing,
  JobEvent,
  Jobs,
  Picker,
  PickRequest,
  Queue,
  Wire,
} from '../../engine/commands/contract/index.ts'
// The file and not the folder's index: the index would bring every schema of the contract into the page.
import { fromWire, type WireError } from '../../engine/commands/contract/wire.ts'
import { makeSignal } from './signal.ts'

type Ask = <K extends DoorRequest>(name: K, params: DoorParams<K>) => Promise<DoorAnswer<K>>

/** A wire with a way to hear that it broke; the desktop's never does. */
export type PageWire = Wire & { onConnection?(listener: (state: 'open' | 'lost') => void): () => void }

/** The value of an answer, or its error thrown. */
function unwrap(answer: unknown): unknown {
  const { ok, error } = (answer ?? {}) as { ok?: unknown; error?: WireError }
  if (error !== undefined) throw fromWire(error)
  return ok
}

/**
 * The door over a wire.
 * @param picker the page's own file dialog, asked where there is no native one
 */
export async function makeDoor(wire: PageWire, picker: Picker): Promise<Door> {
  const ask: Ask = async (name, params) => unwrap(await wire.request(name, params)) as never
  const calls = new Map<string, (event: string, payload: unknown) => void>()
  const [queueChanged, settingsChanged, menuChosen] = [
    makeSignal<Queue>(),
    makeSignal<DoorAnswer<'settings.get'>>(),
    makeSignal<never>(),
  ]
  const opened = makeSignal<string[]>()
  const jobEvents = makeSignal<{ id: string; events: readonly JobEvent[] }>()
  let waiting: string[] = []

  /** Files wait for a listener: the system may ask to open one before the page is ready for it. */
  const takeOpened = async (): Promise<void> => {
    waiting = [...waiting, ...(await ask('open.take', {}))]
    if (waiting.length === 0 || opened.count() === 0) return
    const paths = waiting
    waiting = []
    opened.tell(paths)
  }

  wire.listen((message) => {
    const push = message as DoorPush
    if (push.type === 'event') calls.get(push.id)?.(push.event, push.payload)
    else if (push.type === 'job') jobEvents.tell(push)
    else if (push.type === 'jobs') queueChanged.tell(push.queue)
    else if (push.type === 'settings') settingsChanged.tell(push.settings)
    else if (push.type === 'menu') menuChosen.tell(push.action as never)
    else if (push.type === 'open') void takeOpened()
  })

  const info = await ask('info', {})
  const connection = (listener: (state: 'open' | 'lost') => void) => wire.onConnection?.(listener) ?? (() => undefined)
  const files: FileListing = { list: (path) => ask('files.list', { path: path ?? null }) }

  const pick = async (request: PickRequest): Promise<string | undefined> => {
    if (wire.kind === 'electron') return (await ask('pick', request)) ?? undefined
    const path = await picker(request, files)
    return path === undefined ? undefined : ask('files.choose', { path, purpose: request.purpose })
  }
  const takeFiles = async (list: readonly File[]): Promise<string[]> => unwrap(await wire.takeFiles(list)) as string[]

  return {
    kind: wire.kind,
    info,
    invoke: (id, command, input) => ask('call', { id, command, input }),
    subscribe(id, listener) {
      calls.set(id, listener)
      return () => void calls.delete(id)
    },
    cancel: (id) => void ask('cancel', { id }).catch(() => undefined),
    jobs: makeJobs(ask, queueChanged.on, jobEvents.on, connection),
    pickFile: (kind) => pick({ mode: 'file', kind, purpose: 'read' }),
    pickFolder: (purpose) => pick({ mode: 'folder', kind: 'any', purpose }),
    pickSave: (kind, suggestedName) => pick({ mode: 'save', kind, purpose: 'write', suggestedName }),
    pathsOfDroppedFiles: takeFiles,
    pathOfDroppedFile: async (file) => (await takeFiles([file]))[0]!,
    canReveal: info.canReveal,
    revealInFolder: async (path) => void (await ask('files.reveal', { path })),
    readText: (path) => ask('files.readText', { path }),
    writeText: async (path, text) => void (await ask('files.writeText', { path, text })),
    grants: { list: () => ask('grants.list', {}), revoke: async (path) => void (await ask('grants.revoke', { path })) },
    recentFiles: {
      list: () => ask('recent.list', {}),
      add: async (path, kind) => void (await ask('recent.add', { path, kind })),
      clear: async () => void (await ask('recent.clear', {})),
    },
    settings: {
      get: () => ask('settings.get', {}),
      set: (changes) => ask('settings.set', { changes }),
      onChange: settingsChanged.on,
    },
    onMenu: menuChosen.on,
    onOpenFiles(listener) {
      const off = opened.on(listener)
      void takeOpened()
      return off
    },
    onConnection: connection,
  }
}

type Listen<T> = (listener: (value: T) => void) => () => void

function makeJobs(
  ask: Ask,
  onQueue: Listen<Queue>,
  onEvents: Listen<{ id: string; events: readonly JobEvent[] }>,
  onConnection: Door['onConnection'],
): Jobs {
  return {
    add: (command, input, options = {}) => ask('jobs.add', { command, input, ...options }),
    list: () => ask('jobs.list', {}),
    onChange(listener) {
      const tell = (): void => void ask('jobs.list', {}).then(listener, () => undefined)
      const offs = [onQueue(listener), onConnection((state) => state === 'open' && tell())]
      tell()
      return () => offs.forEach((off) => off())
    },
    observe(id, listener) {
      let last = 0
      let early: JobEvent[] | undefined = []
      const deliver = (events: readonly JobEvent[]): void => {
        const fresh = events.filter(({ seq }) => seq > last)
        if (fresh.length === 0) return
        last = fresh.at(-1)!.seq
        listener(fresh)
      }
      // What happens while the past is on its way waits for it, so that the listener sees one ordered series.
      const catchUp = async (): Promise<void> => {
        early ??= []
        const past = await ask('jobs.history', { id }).catch(() => [])
        const since = early
        early = undefined
        deliver(past)
        deliver(since)
      }
      const offs = [
        onEvents((job) => {
          if (job.id !== id) return
          if (early) early.push(...job.events)
          else deliver(job.events)
        }),
        onConnection((state) => state === 'open' && void catchUp()),
      ]
      void catchUp()
      return () => offs.forEach((off) => off())
    },
    cancel: async (id, { now = false } = {}) => void (await ask('jobs.cancel', { id, now })),
    resume: (id) => ask('jobs.resume', { id }),
    reorder: async (id, before) => void (await ask('jobs.reorder', { id, before })),
    setPriority: async (id, priority) => void (await ask('jobs.setPriority', { id, priority })),
    setConcurrency: async (count) => void (await ask('jobs.setConcurrency', { count })),
    setHeld: async (held) => void (await ask('jobs.setHeld', { held })),
    remove: async (id) => void (await ask('jobs.remove', { id: id ?? null })),
  }
}
