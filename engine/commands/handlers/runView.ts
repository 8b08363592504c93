import { existsSync } from 'node:fs'
import type { Checkpoint, Run, Store } from '../../runs/index.ts'

/** Newest checkpoint whose file is still there. */
export const usableCheckpoint = (store: Store, run: string): Checkpoint | undefined =>
  store.checkpoints(run).findLast(({ path }) => existsSync(path))

/** What lists show of a run. */
export function summary(store: Store, run: Run) {
  const { id, kind, status, created, started, ended, out, host } = run
  const checkpointStep = store.checkpoints(id).at(-1)?.step ?? null
  return {
    id,
    run: id,
    kind,
    status,
    created,
    started,
    ended,
    checkpointStep,
    out,
    pid: status === 'running' ? (host?.pid ?? null) : null,
  }
}

/** Last value of each curve, by split and name; those that are not finite have no place in JSON and are left out. */
export function lastValues(store: Store, id: string): Record<string, Record<string, number>> {
  const values: Record<string, Record<string, number>> = {}
  for (const { split, name, value } of store.lastMetrics(id)) {
    if (Number.isFinite(value)) (values[split] ??= {})[name] = value
  }
  return values
}

/** All that is known about a run, without its curves. */
export function detail(store: Store, run: Run) {
  const { seed, engineVersion, models, recipe, resolved, result, error } = run
  return {
    ...summary(store, run),
    seed,
    engineVersion,
    models,
    recipe,
    resolved,
    result,
    error,
    folder: store.runFolder(run.id),
    checkpoints: store.checkpoints(run.id).map(({ step, path, created }) => ({ step, path, created })),
    artifacts: store.artifacts(run.id).map((artifact) => ({ ...artifact })),
    metrics: lastValues(store, run.id),
  }
}
