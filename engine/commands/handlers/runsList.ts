import { handler } from './handler.ts'
import { summary } from './runView.ts'

export default handler<'runs.list'>(({ limit, status }, { store }) => ({
  runs: store
    .listRuns({ ...(limit === undefined ? {} : { limit }), ...(status === undefined ? {} : { status }) })
    .map((run) => summary(store, run)),
}))
