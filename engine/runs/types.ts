import type { Host } from './host.ts'

export type RunStatus = 'queued' | 'running' | 'interrupted' | 'stopped' | 'failed' | 'done'

/** Anything that survives JSON. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** A recipe executed. Times are ISO 8601 in UTC. */
export interface Run {
  id: string
  /** The command that runs it, e.g. `distill`; resuming calls the same command again. */
  kind: string
  status: RunStatus
  created: string
  started: string | null
  ended: string | null
  /** The process that executes it; null before it starts. */
  host: Host | null
  /** What the user gave. */
  recipe: unknown
  /** The same with every default filled in and absolute paths: enough to run it again. */
  resolved: unknown
  engineVersion: string
  seed: number
  /** SHA-256 of each model that went in, by role (`teacher`, `student`, …). */
  models: Record<string, string>
  /** Folder that receives the results; null when only the run folder does. */
  out: string | null
  error: { code: string; message: string; where?: string; hint?: string } | null
  result: unknown
  /** What a person wrote on it; empty until then. */
  name: string
  tags: string[]
  note: string
}

export interface NewRun {
  kind: string
  recipe: unknown
  resolved?: unknown
  seed: number
  engineVersion: string
  models?: Record<string, string>
  out?: string | null
}

/** Fields of a run that may change while it lives; absent fields stay. */
export type RunChanges = Partial<Pick<Run, 'resolved' | 'models' | 'out' | 'name' | 'tags' | 'note'>>

/** How a run ended. `stopped` and `interrupted` runs can be resumed. */
export interface RunEnd {
  status: 'interrupted' | 'stopped' | 'failed' | 'done'
  error?: Run['error']
  result?: unknown
}

/** One value of one curve. A NaN (a diverged loss) is kept. */
export interface MetricPoint {
  split: string
  name: string
  step: number
  value: number
}

export interface RunEvent {
  at: string
  level: 'info' | 'warning' | 'error'
  text: string
}

export interface Checkpoint {
  run: string
  step: number
  path: string
  created: string
}

/** Another peak learning rate, from a step (counted from 0) on; null while the trainer has not taken it. */
export interface RateChange {
  lr: number
  step: number | null
}

/** A file that a run made, and the artifacts it was made from. */
export interface Artifact {
  id: string
  run: string
  kind: string
  path: string
  bytes: number
  sha256: string
  parents: string[]
  created: string
}

/** A model or data set that a person added: the path stays theirs, the store remembers what was seen there. */
export interface LibraryEntry {
  kind: 'model' | 'data'
  path: string
  added: string
  facts: Record<string, number | string | boolean>
}

/** Memory of the autotuner: results of measurements on this machine, by a key that names everything they depend on. */
export interface TuningMemory {
  recall(key: string): unknown
  remember(key: string, value: unknown): void
}

/**
 * What is known about runs. Every call is one transaction: after a crash it is there whole or not at all.
 * Calls that look a run up raise an `OptionError` for an unknown id, whatever it contains.
 */
export interface Store {
  /** The file (`:memory:` in tests). */
  readonly path: string
  readonly tuning: TuningMemory

  createRun(run: NewRun): Run
  /**
   * Make this process the host of a run and set it `running`. A run that another living process executes is refused with an
   * `OptionError`; so is one that is done. A dead host's run may be claimed: that is how a run is resumed.
   */
  claimRun(id: string): Run
  changeRun(id: string, changes: RunChanges): void
  endRun(id: string, end: RunEnd): void
  /** A `running` run whose host is gone is shown as `interrupted`, here and in `listRuns`. */
  getRun(id: string): Run
  /** Newest first. */
  listRuns(filter?: { limit?: number; status?: RunStatus }): Run[]
  /** Write `interrupted` into runs whose host is gone; returns their ids. */
  settleDeadRuns(): string[]
  /** Forget a run and remove its folder beside the store; refused while a living process executes it. */
  deleteRun(id: string): void
  /** The run's own folder beside the store (`runs/<id>`), made when absent. */
  runFolder(id: string): string
  /** Forget points and checkpoints after a step, before training goes on from there. Files stay. */
  rewindRun(id: string, step: number): void

  /** Write many points in one transaction; a point that exists is replaced. */
  addMetrics(run: string, points: readonly MetricPoint[]): void
  /** Points in order of split, name, step. */
  metrics(run: string, filter?: { split?: string; name?: string }): MetricPoint[]
  /** The last point of every curve. */
  lastMetrics(run: string): MetricPoint[]

  addEvents(run: string, events: readonly Omit<RunEvent, 'at'>[]): void
  events(run: string): RunEvent[]

  addCheckpoint(run: string, step: number, path: string): void
  /** Ascending by step. */
  checkpoints(run: string): Checkpoint[]

  /** Ask for another peak learning rate. The process that trains takes it before its next step. */
  askRate(run: string, lr: number): void
  /** Changes in the order they were asked for. */
  rates(run: string): RateChange[]
  /** Let what was asked for count from `step` on, in place of earlier changes at or after it. */
  takeRates(run: string, step: number): RateChange[]

  addArtifact(artifact: Omit<Artifact, 'id' | 'created'>): Artifact
  artifacts(run: string): Artifact[]
  /** An artifact and all it was made from, nearest first; ancestors of deleted runs are left out. */
  lineage(artifact: string): Artifact[]

  /** Newest first. */
  libraryEntries(kind?: LibraryEntry['kind']): LibraryEntry[]
  /** Add a path, or more facts about one that is there. */
  addToLibrary(kind: LibraryEntry['kind'], path: string, facts: LibraryEntry['facts']): LibraryEntry
  /** Whether it was there. */
  removeFromLibrary(kind: LibraryEntry['kind'], path: string): boolean

  /** What `PRAGMA integrity_check` and `foreign_key_check` find; empty when the store is sound. */
  integrityCheck(): string[]
  close(): void
}
