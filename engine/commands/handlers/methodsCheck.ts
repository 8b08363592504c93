import { findMethod } from '../../methods/index.ts'
import { integersForLab } from '../../quantize/index.ts'
import { blockSize } from '../../session/index.ts'
import { checkMethod } from '../../train/index.ts'
import { handler } from './handler.ts'

export default handler<'methods.check'>(async ({ key, seeds, sabotage, threads, provider }, { emit, signal }) => {
  const { status } = findMethod(key)
  const target = { provider, block: await blockSize() }
  const result = await checkMethod(key, {
    seeds,
    sabotage,
    threads,
    target,
    signal,
    integers: integersForLab,
    onSeed: (done) => emit('progress', { done, total: seeds.length, unit: 'seeds' }),
  })
  return { ...result, status, sabotage }
})
