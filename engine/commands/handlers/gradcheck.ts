import { gradcheck } from '../../inspect/gradcheck/index.ts'
import { readModel } from '../../onnx/index.ts'
import { handler } from './handler.ts'

export default handler<'gradcheck'>(async ({ model, wrt, order, entries, seed, threads }, { emit, signal }) =>
  gradcheck(await readModel(model), {
    wrt,
    order: order === 2 ? 2 : 1,
    entries,
    seed,
    threads,
    signal,
    onProgress: (done, total) => emit('progress', { done, total, unit: 'tensors' }),
  }),
)
