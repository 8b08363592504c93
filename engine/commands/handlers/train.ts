import { handler } from './handler.ts'
import { runTraining } from './training.ts'

export default handler<'train'>((input, ctx) => runTraining('train', input, ctx as never))
