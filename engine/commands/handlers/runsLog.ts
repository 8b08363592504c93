import { handler } from './handler.ts'

export default handler<'runs.log'>(({ id }, { store }) => {
  store.getRun(id)
  return { lines: store.events(id).map(({ at, level, text }) => ({ at, level, text })) }
})
