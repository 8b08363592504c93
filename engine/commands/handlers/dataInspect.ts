import { inspectDataSet } from '../../data/index.ts'
import { handler } from './handler.ts'

export default handler<'data.inspect'>(({ path }) => inspectDataSet(path))
