import { handler } from './handler.ts'
import { detail } from './runView.ts'

export default handler<'runs.show'>(({ id }, { store }) => detail(store, store.getRun(id)))
