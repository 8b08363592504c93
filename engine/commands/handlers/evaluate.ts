import { basename } from 'node:path'
import { makeSplits, openDataSet, type DataSet } from '../../data/index.ts'
import { choosePreprocess, evaluateModel, openPredictor, type Predictor } from '../../evaluate/index.ts'
import { prepareModel } from '../../inspect/index.ts'
import type { Model } from '../../ir/index.ts'
import { simulateSaturation } from '../../quantize/index.ts'
import { handler } from './handler.ts'

export default handler<'evaluate'>(async (input, { emit, signal }) => {
  const set = await openDataSet(input.data, { labels: input.labels })
  const session = { threads: input.threads, provider: input.provider }
  const model = await openPredictor(await subject(input.model, input.host), { ...session, name: basename(input.model) })
  let against: Predictor | undefined
  try {
    if (input.against !== undefined) against = await openPredictor(input.against, session)
    const options = { wanted: input.preprocess, seed: input.seed, labels: input.labels === 'on' }
    const chosen = await choosePreprocess(model, set, options)
    const theirs = against && (await choosePreprocess(against, set, options))
    for (const text of [...set.warnings, ...model.warnings, ...(against?.warnings ?? [])])
      emit('message', { level: 'warning', text })
    for (const text of new Set([chosen.text, theirs?.text])) if (text) emit('message', { level: 'info', text })
    const result = await evaluateModel({
      model,
      against,
      dataset: set,
      indices: samplesOf(set, input.on, input.split, input.seed),
      preprocess: chosen.preprocess,
      againstPreprocess: theirs?.preprocess,
      metrics: input.metrics,
      batch: input.batch,
      signal,
      onProgress: (done, total) => emit('progress', { done, total, unit: 'samples' }),
    })
    return { ...result, on: input.on, preprocess: chosen, ...(theirs ? { againstPreprocess: theirs } : {}) }
  } finally {
    await model.release()
    await against?.release()
  }
})

/** The file itself, or what older processors make of it. */
async function subject(path: string, host: 'this' | 'no-vnni'): Promise<string | Model> {
  return host === 'this' ? path : simulateSaturation((await prepareModel(path)).model).model
}

function samplesOf(set: DataSet, on: 'test' | 'train' | 'validation' | 'all', share: number, seed: number): Int32Array {
  if (on === 'all') return Int32Array.from({ length: set.length }, (_, i) => i)
  return makeSplits(set, { share, seed })[on]
}
