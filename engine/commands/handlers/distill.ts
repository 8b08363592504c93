import { handler } from './handler.ts'
import { runTraining } from './training.ts'

export default handler<'distill'>(async (input, ctx) => (await runTraining('distill', input, ctx)) as never)
