import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { evaluateModel, openPredictor } from '../../evaluate/index.ts'
import type { Model } from '../../ir/index.ts'
import { quantizeMixed, samplesFor, type Mixed, type Sensitivity, type Trial, type Verdict } from '../../quantize/index.ts'
import { random } from '../../random.ts'
import type { QuantizeRequest } from './quantizing.ts'

/** Loss allowed where the person names none. */
const MAX_DROP = 0.005
/** Samples that the search judges on: the validation part, then those of the training share that do not calibrate. */
const JUDGED = 2000
/** The bound is for samples that the search has not seen: the loss must stay below it with 95 % confidence, one-sided. */
const ONE_SIDED = 1.645

type Shared = Omit<Parameters<typeof quantizeMixed>[1], 'maxDrop' | 'judge' | 'known' | 'onTrial' | 'onSensitivity' | 'samples'>

/** Searches an assignment of int8 and fp16 to layers within the allowed drop, judged on a part of the training share. */
export async function quantizeMixedOn(
  q: QuantizeRequest,
  shared: Shared,
  calibration: Int32Array | readonly number[],
): Promise<Mixed> {
  const { train, validation } = q.splits
  const order = random(q.seed, 'calibration').permutation(train.length)
  // What no training has seen comes first: on its own training samples a model is too sure of itself to show what rounding does.
  const rest = [...validation, ...order.slice(calibration.length).map((at) => train[at]!)].slice(0, JUDGED)
  const indices = Int32Array.from(rest.length > 0 ? rest : train)
  const session = { threads: q.threads }
  const float = await openPredictor(q.model, { ...session, name: 'float model' })
  const judge = async (model: Model): Promise<Verdict> => {
    const predictor = await openPredictor(model, { ...session, name: 'trial' })
    const judged = { model: predictor, against: float, dataset: q.dataset, indices, preprocess: q.preprocess, signal: q.signal }
    const { metrics, against } = await evaluateModel(judged).finally(() => predictor.release())
    const [before, after] = [against?.top1?.value, metrics.top1?.value]
    const differing = 1 - (metrics.agreement?.value ?? 0)
    const drop = before !== undefined && after !== undefined ? before - after : differing
    // At most the samples whose answer changed count, each with a gain or a loss of one: that bounds the variance of the mean.
    const variance = Math.max(0, differing - drop ** 2)
    return { drop, limit: drop + ONE_SIDED * Math.sqrt(variance / indices.length) }
  }
  const kept = readTrials(q.trials)
  const all = { trials: [...kept.trials], sensitivity: [...kept.sensitivity] }
  const write = () => {
    if (!q.trials) return
    // Written whole under another name first: a search killed in between finds the older list.
    writeFileSync(`${q.trials}.new`, JSON.stringify(all))
    renameSync(`${q.trials}.new`, q.trials)
  }
  const maxDrop = q.maxDrop ?? MAX_DROP
  try {
    const mixed = await quantizeMixed(q.model, {
      ...shared,
      samples: samplesFor(q.model, { dataset: q.dataset, indices: Int32Array.from(calibration), preprocess: q.preprocess }),
      maxDrop,
      judge,
      sensitivity: q.sensitivity,
      known: kept,
      onSensitivity(found) {
        all.sensitivity.push(found)
        write()
      },
      onTrial(trial) {
        if (kept.trials.includes(trial)) return
        all.trials.push(trial)
        write()
      },
    })
    if (mixed.trials.every((t) => (t.limit ?? t.drop) > maxDrop))
      mixed.warnings.push(
        `no assignment of precisions is sure to stay within ${maxDrop}, judged on ${indices.length} samples; the one that loses least is kept`,
      )
    return mixed
  } finally {
    await float.release()
  }
}

/** What an interrupted search left. */
function readTrials(path: string | undefined): { trials: Trial[]; sensitivity: Sensitivity[] } {
  if (!path || !existsSync(path)) return { trials: [], sensitivity: [] }
  return JSON.parse(readFileSync(path, 'utf8')) as { trials: Trial[]; sensitivity: Sensitivity[] }
}
