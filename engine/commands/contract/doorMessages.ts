/** The messages between a page and the program, with the schemas that both sides check them by. */
import { z } from 'zod'
import { menuActions } from './menu.ts'

/** Kinds of file a person is asked for; `data` and `any` show every file. */
export const pickKinds = ['model', 'data', 'recipe', 'any'] as const
export type PickKind = (typeof pickKinds)[number]
const kind = z.enum(pickKinds)

const path = z.string().min(1).max(4096)
const id = z.string().min(1).max(100)
const text = z.string().max(1 << 20)

/** An error as it crosses: see `WireError`. */
const Failure = z.object({
  code: z.string(),
  message: z.string(),
  where: z.string().optional(),
  hint: z.string().optional(),
})

/** One event of a job; `seq` counts a job's events from 1, `at` is milliseconds since 1970. */
export const JobEvent = z.object({ seq: z.number().int(), at: z.number(), event: z.string(), payload: z.unknown() })
export type JobEvent = z.output<typeof JobEvent>

/**
 * `stopped`, `interrupted` and `failed` jobs that have a `run` can be gone on with; `interrupted` means that the process died or the program
 * was closed; `cancelled` left nothing behind.
 */
export const jobStates = ['queued', 'running', 'stopping', 'done', 'failed', 'stopped', 'interrupted', 'cancelled'] as const

export const Job = z.object({
  id: z.string(),
  command: z.string(),
  title: z.string(),
  input: z.record(z.string(), z.unknown()),
  priority: z.number(),
  state: z.enum(jobStates),
  /** Milliseconds since 1970. */
  created: z.number(),
  started: z.number().nullable(),
  ended: z.number().nullable(),
  /** The run in the store, once it exists. */
  run: z.string().nullable(),
  /** Whether `resume` can go on with it. */
  resumable: z.boolean(),
  /** Latest `stage` event. */
  stage: z.unknown(),
  /** Latest `step` or `progress` event, whichever came last. */
  progress: JobEvent.nullable(),
  /** The command's output, when done. */
  result: z.unknown(),
  error: Failure.nullable(),
})
export type Job = z.output<typeof Job>

/** Jobs in the order in which they will run, ended ones last, newest of those first. */
export const Queue = z.object({ jobs: z.array(Job), concurrency: z.number().int(), held: z.boolean() })
export type Queue = z.output<typeof Queue>

export const Settings = z.strictObject({
  theme: z.enum(['system', 'light', 'dark']).default('system'),
  /** Jobs that run at a time. */
  concurrency: z.number().int().min(1).max(16).default(1),
  /** CPU threads of a command that does not say; null is all physical cores. */
  threads: z.number().int().min(1).max(1024).nullable().default(null),
  /** A desktop notification when a job ends while the window is in the background. */
  notify: z.boolean().default(true),
  /** Keep the machine awake while a job runs. */
  keepAwake: z.boolean().default(true),
  /** What the page wants to remember (open view, columns); at most 64 KiB of JSON. */
  view: z.record(z.string(), z.unknown()).default({}),
})
export type Settings = z.output<typeof Settings>

/** A file or folder that commands may read (or write), because the person chose it. */
export const Grant = z.object({
  path: z.string(),
  mode: z.enum(['read', 'write']),
  from: z.enum(['dialog', 'drop', 'system', 'store']),
})
export type Grant = z.output<typeof Grant>

export const Recent = z.object({ path: z.string(), kind, opened: z.number() })
export type Recent = z.output<typeof Recent>

export const Listing = z.object({
  /** Null at the start, where the shown folders are listed. */
  path: z.string().nullable(),
  /** Null where going up would leave the shown folders. */
  parent: z.string().nullable(),
  /** Folders first, by name. */
  entries: z.array(
    z.object({
      name: z.string(),
      path: z.string(),
      folder: z.boolean(),
      bytes: z.number().nullable(),
      modified: z.number().nullable(),
    }),
  ),
  /** Whether files may be written in this folder. */
  writable: z.boolean(),
  /** Whether there are more entries than a listing shows. */
  truncated: z.boolean(),
})
export type Listing = z.output<typeof Listing>

export const DoorInfo = z.object({
  kind: z.enum(['electron', 'browser']),
  version: z.string(),
  platform: z.string(),
  arch: z.string(),
  /** Of Node and, on the desktop, Electron and Chrome. */
  versions: z.record(z.string(), z.string()),
  cpus: z.number().int(),
  memoryBytes: z.number(),
  store: z.string(),
  /** State of the window: queue, settings, copies of what was dropped. */
  dataFolder: z.string(),
  /** Folder that may be written to without being asked for: where an export goes when no other place is chosen. */
  exportsFolder: z.string(),
  canReveal: z.boolean(),
})
export type DoorInfo = z.output<typeof DoorInfo>

const nothing = z.strictObject({})
const done = z.null()

/** What a page may ask, by name: parameters and answer. */
export const doorRequests = {
  info: { params: nothing, answer: DoorInfo },
  call: { params: z.strictObject({ id, command: z.string().max(100), input: z.unknown() }), answer: z.unknown() },
  cancel: { params: z.strictObject({ id }), answer: done },
  'jobs.add': {
    params: z.strictObject({
      command: z.string().max(100),
      input: z.unknown(),
      title: z.string().max(200).optional(),
      priority: z.number().int().min(-100).max(100).optional(),
    }),
    answer: Job,
  },
  'jobs.list': { params: nothing, answer: Queue },
  'jobs.history': { params: z.strictObject({ id }), answer: z.array(JobEvent) },
  'jobs.cancel': { params: z.strictObject({ id, now: z.boolean() }), answer: done },
  'jobs.resume': { params: z.strictObject({ id }), answer: Job },
  'jobs.reorder': { params: z.strictObject({ id, before: id.nullable() }), answer: done },
  'jobs.setPriority': { params: z.strictObject({ id, priority: z.number().int().min(-100).max(100) }), answer: done },
  'jobs.setConcurrency': { params: z.strictObject({ count: z.number().int().min(1).max(16) }), answer: done },
  'jobs.setHeld': { params: z.strictObject({ held: z.boolean() }), answer: done },
  'jobs.remove': { params: z.strictObject({ id: id.nullable() }), answer: done },
  /** The native dialog of the desktop; null when it was cancelled. */
  pick: {
    params: z.strictObject({
      mode: z.enum(['file', 'folder', 'save']),
      kind,
      purpose: z.enum(['read', 'write']),
      suggestedName: z.string().max(200).optional(),
    }),
    answer: z.string().nullable(),
  },
  /** The browser's replacement: look into a shown folder, and say what was chosen there. */
  'files.list': { params: z.strictObject({ path: path.nullable() }), answer: Listing },
  'files.choose': { params: z.strictObject({ path, purpose: z.enum(['read', 'write']) }), answer: z.string() },
  'files.readText': { params: z.strictObject({ path }), answer: z.string() },
  'files.writeText': { params: z.strictObject({ path, text }), answer: done },
  'files.reveal': { params: z.strictObject({ path }), answer: done },
  'grants.list': { params: nothing, answer: z.array(Grant) },
  'grants.revoke': { params: z.strictObject({ path }), answer: done },
  'recent.list': { params: nothing, answer: z.array(Recent) },
  'recent.add': { params: z.strictObject({ path, kind }), answer: done },
  'recent.clear': { params: nothing, answer: done },
  'settings.get': { params: nothing, answer: Settings },
  'settings.set': { params: z.strictObject({ changes: z.record(z.string(), z.unknown()) }), answer: Settings },
  /** Files that the system asked to open and no page has taken yet. */
  'open.take': { params: nothing, answer: z.array(z.string()) },
} as const satisfies Record<string, { params: z.ZodType; answer: z.ZodType }>

export type DoorRequest = keyof typeof doorRequests
export type DoorParams<K extends DoorRequest> = z.output<(typeof doorRequests)[K]['params']>
export type DoorAnswer<K extends DoorRequest> = z.output<(typeof doorRequests)[K]['answer']>
export const isDoorRequest = (name: string): name is DoorRequest => Object.hasOwn(doorRequests, name)

/** What the program says by itself. */
export const DoorPush = z.discriminatedUnion('type', [
  z.object({ type: z.literal('event'), id: z.string(), event: z.string(), payload: z.unknown() }),
  z.object({ type: z.literal('jobs'), queue: Queue }),
  z.object({ type: z.literal('job'), id: z.string(), events: z.array(JobEvent) }),
  z.object({ type: z.literal('menu'), action: z.enum(menuActions as [(typeof menuActions)[number]]) }),
  z.object({ type: z.literal('open') }),
  z.object({ type: z.literal('settings'), settings: Settings }),
])
export type DoorPush = z.output<typeof DoorPush>

/** The answer to a request as it crosses. */
export const Answer = z.union([z.object({ ok: z.unknown() }), z.object({ error: Failure })])
