import { handler } from './handler.ts'

export default handler<'runs.delete'>(({ id }, { store }) => {
  store.deleteRun(id)
  return { run: id, deleted: true }
})
