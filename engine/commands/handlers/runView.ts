import { existsSync } from 'node:fs'
import type { Checkpoint, Run, Store } from '../../runs/index.ts'

/** Newest checkpoint whose file is still there. */
export const usableCheckpoint = (store: Store, run: string): Checkpoint | undefined =>
  store.checkpoints(run).findLast(({ path }) => existsSync(path))

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null)

/** What went into a run, by the names of its verb's input. A quantized model is its own student. */
function inputs(run: Run) {
  const input = isObject(run.resolved) ? run.resolved : isObject(run.recipe) ? run.recipe : {}
  const methods = Array.isArray(input['method']) ? input['method'].filter((key) => typeof key === 'string') : []
  return {
    teacher: textOf(input['teacher']) ?? (run.kind === 'quantize' ? textOf(input['model']) : null),
    data: textOf(input['data']),
    student: textOf(input['student']) ?? textOf(input['scheme']),
    methods,
  }
}

/** Headline numbers of a result: the metrics of the test share (of the quantized model, where there is one), and the costs. */
function numbers(result: unknown): Record<string, number> {
  if (!isObject(result)) return {}
  const found: Record<string, number> = {}
  const put = (name: string, value: unknown): void => {
    if (typeof value === 'number' && Number.isFinite(value)) found[name] = value
  }
  const metrics = isObject(result['metrics']) ? result['metrics'] : {}
  const judged = [metrics['quantized'], metrics['test'], metrics['validation']].find(isObject) ?? {}
  for (const [name, metric] of Object.entries(judged)) put(name, isObject(metric) ? metric['value'] : metric)
  const student = isObject(result['student']) ? result['student'] : result
  for (const name of ['parameters', 'bytes', 'macs']) put(name, student[name])
  for (const name of ['seconds', 'steps', 'stepsPerSecond']) put(name, result[name])
  return found
}

/** What lists show of a run. */
export function summary(store: Store, run: Run) {
  const { id, kind, status, created, started, ended, out, host, name, tags, note } = run
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
    name,
    tags,
    note,
    ...inputs(run),
    model: isObject(run.result) ? textOf(run.result['model']) : null,
    numbers: numbers(run.result),
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
