import { benchmarkModels } from '../../benchmark/index.ts'
import { handler } from './handler.ts'

export default handler<'benchmark'>(async (input, { emit, signal }) =>
  benchmarkModels({
    paths: input.against === undefined ? [input.model] : [input.model, input.against],
    batch: input.batch,
    repeats: input.repeats,
    threads: input.threads,
    provider: input.provider,
    layers: input.layers,
    seed: input.seed,
    signal,
    onProgress: (done, total) => emit('progress', { done, total, unit: 'rounds' }),
  }),
)
