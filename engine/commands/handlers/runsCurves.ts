import { thin } from '../contract/index.ts'
import { handler } from './handler.ts'

export default handler<'runs.curves'>(({ id, after, points }, { store }) => {
  store.getRun(id)
  const groups = Map.groupBy(store.metrics(id), ({ split, name }) => JSON.stringify([split, name]))
  const curves = [...groups.values()].flatMap((all) => {
    const { split, name } = all[0]!
    const later = all.filter(({ step }) => step > after)
    const values = later.map(({ value }) => (Number.isFinite(value) ? value : null))
    const kept = thin(values, points)
    if (kept.length === 0) return []
    return [{ split, name, steps: kept.map((i) => later[i]!.step), values: kept.map((i) => values[i]!), total: all.length }]
  })
  return { curves }
})
