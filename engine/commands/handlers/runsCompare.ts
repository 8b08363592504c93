import { handler } from './handler.ts'
import { lastValues, summary } from './runView.ts'

/** Leaves of a document by path: `train.lr` → 0.1. Lists count as leaves. */
function leaves(value: unknown, path = '', into = new Map<string, unknown>()): Map<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) into.set(path, value)
  else for (const [key, inner] of Object.entries(value)) leaves(inner, path ? `${path}.${key}` : key, into)
  return into
}

/** Numbers of a result worth comparing: `metrics.test.top1.value` is shown as `metrics.test.top1`. */
function numbers(result: unknown): [string, number][] {
  return [...leaves(result ?? {})].flatMap(([path, value]) =>
    typeof value === 'number' ? [[path.replace(/\.value$/, ''), value]] : [],
  )
}

export default handler<'runs.compare'>(({ ids }, { store }) => {
  const runs = ids.map((id) => store.getRun(id))
  const recipes = runs.map((run) => leaves(run.resolved ?? run.recipe))
  const fields = [...new Set(recipes.flatMap((recipe) => [...recipe.keys()]))]
  const differences = fields
    .map((field) => ({ field, values: recipes.map((recipe) => recipe.get(field) ?? null) }))
    .filter(({ values }) => new Set(values.map((value) => JSON.stringify(value))).size > 1)
  // A run that has not ended has no result yet: its curves say where it stands.
  const measured = runs.map((run) => new Map(numbers(run.result ?? { metrics: lastValues(store, run.id) })))
  const names = [...new Set(measured.flatMap((run) => [...run.keys()]))]
  const results = Object.fromEntries(names.map((name) => [name, measured.map((run) => run.get(name) ?? null)]))
  return { runs: runs.map((run) => summary(store, run)), differences, results }
})
