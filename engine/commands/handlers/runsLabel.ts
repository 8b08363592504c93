import { handler } from './handler.ts'
import { summary } from './runView.ts'

export default handler<'runs.label'>(({ id, name, tags, note }, { store }) => {
  store.changeRun(id, {
    ...(name === undefined ? {} : { name: name.trim() }),
    ...(tags === undefined ? {} : { tags: [...new Set(tags)] }),
    ...(note === undefined ? {} : { note }),
  })
  return summary(store, store.getRun(id))
})
