import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { arch, availableParallelism, platform, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { OptionError, UnsupportedError } from '../../errors.ts'
import {
  commands,
  type DoorAnswer,
  DoorPush,
  type DoorParams,
  type DoorRequest,
  doorRequests,
  type Grant,
  isCommandName,
  isDoorRequest,
  type Job,
  type MenuAction,
  parseInput,
  type PickKind,
  type Settings,
  toWire,
} from '../contract/index.ts'
import type { ChildTransport } from '../transports.ts'
import { openGrants } from './grants.ts'
import { makeCalls } from './hosts.ts'
import { allowStorePaths, checkPaths } from './inputPaths.ts'
import { type JobQueue, openJobs } from './jobs.ts'
import { browseFiles, type FileBrowser, type Shown } from './listing.ts'
import { lockFolder } from './lock.ts'
import { openRecent, openSettings } from './state.ts'

/** A text that is read or written for a page: recipes and the like. */
const TEXT_BYTES = 1 << 20

/** What one front door has that another lacks. */
export interface Native {
  kind: 'electron' | 'browser'
  version: string
  versions: Record<string, string>
  /** Ask the person by a native dialog; null when they change their mind. */
  pick?(request: DoorParams<'pick'>): Promise<string | null>
  /** The folders shown instead of a native dialog; the program's own folder for exports is shown with them. */
  shown?: readonly Shown[]
  reveal?(path: string): void
  onSettings?(settings: Settings): void
  onRecent?(path: string): void
  onJobEnd?(job: Job): void
  /** The queue changed: for the power-save blocker and the like. */
  onJobs?(running: number): void
}

export interface DoorServiceOptions {
  start(): ChildTransport
  /** The run store; the window's own state lies in the folder `app` beside it. */
  store: string
  native: Native
}

/** One page. */
export interface Page {
  /** Answers with `{ ok }` or `{ error }`; never rejects. */
  request(name: unknown, params: unknown): Promise<unknown>
  /** The page is gone: its calls are stopped, its jobs go on. */
  close(): void
}

/** What stands behind the doors of the desktop and the browser. */
export interface DoorService {
  page(push: (message: DoorPush) => void): Page
  /** Files that the system asked to open, or that were dropped: they may be used from now on. */
  allow(paths: readonly string[], from: Grant['from']): string[]
  open(paths: readonly string[]): void
  menu(action: MenuAction): void
  settings(): Settings
  readonly jobs: JobQueue
  /** Where the window's own state is kept. */
  readonly folder: string
  /** Folder of files that were sent by a page. */
  readonly inbox: string
  close(graceMs: number): Promise<void>
}

type Answers = { [K in DoorRequest]: (params: DoorParams<K>, page: PageState) => DoorAnswer<K> | Promise<DoorAnswer<K>> }

interface PageState {
  key: string
  push(message: DoorPush): void
  calls: Set<string>
}

/** Open what a window needs: queue, choices, settings. Refused while another program has the same store open in a window. */
export function openDoorService({ start, store, native }: DoorServiceOptions): DoorService {
  const folder = join(dirname(store), 'app')
  const [inbox, exports] = [join(folder, 'inbox'), join(folder, 'exports')]
  const unlock = lockFolder(folder)
  mkdirSync(exports, { recursive: true, mode: 0o700 })
  const listing = native.shown && browseFiles([...native.shown, { path: exports, writable: true }])
  const browser = (): FileBrowser => {
    if (!listing) throw unsupported('list of files; it asks by a native dialog')
    return listing
  }
  const grants = openGrants(join(folder, 'grants.json'), [
    { path: join(dirname(store), 'runs'), mode: 'read' },
    { path: inbox, mode: 'read' },
    { path: exports, mode: 'write' },
  ])
  const settings = openSettings(join(folder, 'settings.json'))
  const recent = openRecent(join(folder, 'recent.json'))
  const calls = makeCalls(start)
  const pages = new Set<PageState>()
  const tell = (message: DoorPush): void => pages.forEach((page) => page.push(message))
  const toOpen: string[] = []

  const jobs = openJobs({
    start,
    file: join(folder, 'jobs.json'),
    concurrency: settings.get().concurrency,
    onQueue(queue) {
      tell({ type: 'jobs', queue })
      native.onJobs?.(queue.jobs.filter(({ state }) => state === 'running' || state === 'stopping').length)
    },
    onEvents: (id, events) => tell({ type: 'job', id, events }),
    onEnd: (job) => native.onJobEnd?.(job),
  })

  /** An input as it will be run: within what was chosen, on our store, with the person's threads. */
  const prepared = (command: string, input: unknown): Record<string, unknown> => {
    if (!isCommandName(command)) throw new OptionError(`there is no command '${command}'`, { where: 'command' })
    const schema = commands[command].input
    parseInput(schema, input)
    const given = input as Record<string, unknown>
    if (given['store'] !== undefined && given['store'] !== store)
      throw new OptionError('store: a window works on the store it was opened with', { where: 'store' })
    const { store: _, ...rest } = given
    checkPaths(command, rest, grants)
    const threads = settings.get().threads
    return {
      ...rest,
      ...('store' in schema.shape ? { store } : {}),
      ...('threads' in schema.shape && given['threads'] === undefined && threads !== null ? { threads } : {}),
    }
  }

  const setSettings = (changes: Record<string, unknown>): Settings => {
    const next = settings.set(changes)
    if (next.concurrency !== jobs.queue().concurrency) jobs.setConcurrency(next.concurrency)
    native.onSettings?.(next)
    tell({ type: 'settings', settings: next })
    return next
  }

  const answers: Answers = {
    info: () => ({
      kind: native.kind,
      version: native.version,
      versions: native.versions,
      platform: platform(),
      arch: arch(),
      cpus: availableParallelism(),
      memoryBytes: totalmem(),
      store,
      dataFolder: folder,
      exportsFolder: exports,
      canReveal: native.reveal !== undefined,
    }),
    async call({ id, command, input }, page) {
      const name = `${page.key}:${id}`
      const ready = prepared(command, input)
      page.calls.add(name)
      try {
        const output = await calls.invoke(name, command, ready, (event, payload) =>
          page.push({ type: 'event', id, event, payload }),
        )
        if (isCommandName(command)) allowStorePaths(command, output, grants)
        return output
      } finally {
        page.calls.delete(name)
      }
    },
    cancel: ({ id }, page) => (calls.cancel(`${page.key}:${id}`), null),
    'jobs.add': ({ command, input, ...options }) => jobs.add(command, prepared(command, input), options),
    'jobs.list': () => jobs.queue(),
    'jobs.history': ({ id }) => jobs.history(id),
    'jobs.cancel': ({ id, now }) => (jobs.cancel(id, now), null),
    'jobs.resume': ({ id }) => jobs.resume(id),
    'jobs.reorder': ({ id, before }) => (jobs.reorder(id, before), null),
    'jobs.setPriority': ({ id, priority }) => (jobs.setPriority(id, priority), null),
    'jobs.setConcurrency': ({ count }) => (setSettings({ concurrency: count }), null),
    'jobs.setHeld': ({ held }) => (jobs.setHeld(held), null),
    'jobs.remove': ({ id }) => (jobs.remove(id), null),
    async pick(request) {
      if (!native.pick) throw unsupported('a native file dialog')
      const path = await native.pick(request)
      return path === null ? null : grants.allow(path, request.purpose, 'dialog')
    },
    'files.list': ({ path }) => browser().list(path),
    'files.choose': ({ path, purpose }) => {
      browser().choose(path, purpose)
      return grants.allow(path, purpose, 'dialog')
    },
    'files.readText': ({ path }) => {
      grants.check(path, 'read', 'path')
      const { size } = statSync(path)
      if (size > TEXT_BYTES) throw new OptionError(`${path} has ${size} bytes; expected at most ${TEXT_BYTES}`, { where: path })
      return readFileSync(path, 'utf8')
    },
    'files.writeText': ({ path, text }) => {
      grants.check(path, 'write', 'path')
      writeFileSync(path, text)
      return null
    },
    'files.reveal': ({ path }) => {
      grants.check(path, 'read', 'path')
      if (!native.reveal) throw unsupported('showing a folder of this machine')
      native.reveal(path)
      return null
    },
    'grants.list': () => grants.list(),
    'grants.revoke': ({ path }) => (grants.revoke(path), null),
    'recent.list': () => recent.list(),
    'recent.add': ({ path, kind }) => {
      grants.check(path, 'read', 'path')
      addRecent(path, kind)
      return null
    },
    'recent.clear': () => (recent.clear(), null),
    'settings.get': () => settings.get(),
    'settings.set': ({ changes }) => setSettings(changes),
    'open.take': () => toOpen.splice(0),
  }
  const addRecent = (path: string, kind: PickKind): void => {
    recent.add(path, kind)
    native.onRecent?.(path)
  }

  const allow: DoorService['allow'] = (paths, from) => paths.map((path) => grants.allow(path, 'read', from))
  return {
    page(push) {
      const state: PageState = { key: randomUUID(), push: (message) => push(DoorPush.parse(message)), calls: new Set() }
      pages.add(state)
      return {
        async request(name, params) {
          try {
            if (typeof name !== 'string' || !isDoorRequest(name))
              throw new OptionError('there is no such request', { where: 'name' })
            const checked = parseInput(doorRequests[name].params, params ?? {})
            return { ok: await (answers[name] as (params: unknown, page: PageState) => unknown)(checked, state) }
          } catch (error) {
            return { error: toWire(error) }
          }
        },
        close() {
          pages.delete(state)
          for (const id of state.calls) calls.cancel(id)
        },
      }
    },
    allow,
    open(paths) {
      toOpen.push(...allow(paths, 'system'))
      tell({ type: 'open' })
    },
    menu: (action) => tell({ type: 'menu', action }),
    settings: () => settings.get(),
    jobs,
    folder,
    inbox,
    async close(graceMs) {
      await Promise.all([jobs.close(graceMs), calls.close()])
      unlock()
    },
  }
}

const unsupported = (what: string): UnsupportedError => new UnsupportedError(`this front door has no ${what}`, { where: 'door' })
