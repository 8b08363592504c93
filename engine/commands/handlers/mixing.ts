import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { evaluateModel, openPredictor } from '../../evaluate/index.ts'
import type { Model } from '../../ir/index.ts'
import { quantizeMixed, samplesFor, type Mixed, type Trial } from '../../quantize/index.ts'
import { random } from '../../random.ts'
import type { QuantizeRequest } from './quantizing.ts'

/** Loss allowed where the person names none. */
const MAX_DROP = 0.005
/** Samples of the training share that the search judges on, beside those that calibrate. */
const JUDGED = 2000
/** The bound is for samples that the search has not seen: on its own it asks for this share of it. */
const CAUTION = 0.5

type Shared = Omit<Parameters<typeof quantizeMixed>[1], 'maxDrop' | 'judge' | 'known' | 'onTrial' | 'samples'>

/** Searches an assignment of int8 and fp16 to layers within the allowed drop, judged on a part of the training share. */
export async function quantizeMixedOn(
  q: QuantizeRequest,
  shared: Shared,
  calibration: Int32Array | readonly number[],
): Promise<Mixed> {
  const { train } = q.splits
  const order = random(q.seed, 'calibration').permutation(train.length)
  const rest = order.slice(calibration.length, calibration.length + JUDGED)
  const indices = Int32Array.from(rest.length > 0 ? rest : order, (at) => train[at]!)
  const session = { threads: q.threads }
  const float = await openPredictor(q.model, { ...session, name: 'float model' })
  const judge = async (model: Model): Promise<number> => {
    const predictor = await openPredictor(model, { ...session, name: 'trial' })
    const judged = { model: predictor, against: float, dataset: q.dataset, indices, preprocess: q.preprocess, signal: q.signal }
    const { metrics, against } = await evaluateModel(judged).finally(() => predictor.release())
    const [before, after] = [against?.top1?.value, metrics.top1?.value]
    if (before !== undefined && after !== undefined) return before - after
    return 1 - (metrics.agreement?.value ?? 0)
  }
  const known = q.trials && existsSync(q.trials) ? (JSON.parse(readFileSync(q.trials, 'utf8')) as Trial[]) : []
  const all: Trial[] = [...known]
  try {
    const mixed = await quantizeMixed(q.model, {
      ...shared,
      samples: samplesFor(q.model, { dataset: q.dataset, indices: Int32Array.from(calibration), preprocess: q.preprocess }),
      maxDrop: (q.maxDrop ?? MAX_DROP) * CAUTION,
      judge,
      known,
      onTrial(trial) {
        if (!known.includes(trial)) all.push(trial)
        if (!q.trials) return
        // Written whole under another name first: a search killed in between finds the older list.
        writeFileSync(`${q.trials}.new`, JSON.stringify(all))
        renameSync(`${q.trials}.new`, q.trials)
      },
    })
    if (mixed.trials.every((t) => t.drop > (q.maxDrop ?? MAX_DROP) * CAUTION))
      mixed.warnings.push(
        `no assignment of precisions stays within ${(q.maxDrop ?? MAX_DROP) * CAUTION} on the samples of the search; the one that loses least is kept`,
      )
    return mixed
  } finally {
    await float.release()
  }
}
