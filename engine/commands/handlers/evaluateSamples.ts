import { makeSplits, openDataSet, sequential, type DataSet } from '../../data/index.ts'
import { DataError } from '../../errors.ts'
import { choosePreprocess, openPredictor, type Predictor } from '../../evaluate/index.ts'
import { random } from '../../random.ts'
import type { ParsedInput } from '../contract/index.ts'
import { sampleView } from './dataPreview.ts'
import { handler } from './handler.ts'

type Input = ParsedInput<'evaluate.samples'>

/** Classes that are shown of an answer, and the longest side of a picture, in pixels. */
const GUESSES = 3
const SIZE = 96

/** Class probabilities of each sample: a softmax over the logits of a row. */
async function probabilities(model: Predictor, set: DataSet, indices: Int32Array, input: Input): Promise<Float64Array[]> {
  const { preprocess } = await choosePreprocess(model, set, {
    wanted: input.preprocess,
    seed: input.seed,
    labels: input.labels === 'on',
  })
  const rows: Float64Array[] = []
  for await (const batch of sequential({ dataset: set, indices, batch: 64, preprocess })) {
    const { logits, classes, shape } = await model.predict(batch.x, batch.index.length, batch.inputs)
    if (shape.filter((d) => d > 1).length > 1)
      throw new DataError('the answers are no classes of a sample, so there is no list of guesses', { where: model.name })
    const wanted = batch.rows ?? Int32Array.from({ length: batch.index.length }, (_, i) => i)
    for (const row of wanted) rows.push(softmax(logits.subarray(row * classes, (row + 1) * classes)))
  }
  return rows
}

/** exp(x - max) over its sum. */
function softmax(logits: Float32Array): Float64Array {
  const top = logits.reduce((a, b) => Math.max(a, b), -Infinity)
  const powers = Float64Array.from(logits, (v) => Math.exp(v - top))
  const sum = powers.reduce((a, b) => a + b, 0)
  return powers.map((v) => v / sum)
}

const best = (p: Float64Array): number => p.indexOf(p.reduce((a, b) => Math.max(a, b), -Infinity))

function guesses(p: Float64Array, set: DataSet) {
  const order = [...p.keys()].sort((a, b) => p[b]! - p[a]!).slice(0, GUESSES)
  return order.map((k) => ({ label: set.classes?.[k] ?? `class ${k}`, probability: p[k]! }))
}

export default handler<'evaluate.samples'>(async (input) => {
  const set = await openDataSet(input.data, { labels: input.labels })
  const { test } = makeSplits(set, { share: input.split, seed: input.seed })
  const drawn = random(input.seed, 'samples').permutation(test.length).subarray(0, input.pool)
  const indices = Int32Array.from(drawn, (i) => test[i]!).sort()
  const session = { threads: input.threads, provider: input.provider }
  const model = await openPredictor(input.model, session)
  const against = await openPredictor(input.against, session)
  try {
    const mine = await probabilities(model, set, indices, input)
    const theirs = await probabilities(against, set, indices, input)
    const same = mine.map((p, i) => best(p) === best(theirs[i]!))
    // Where they agree, the less sure of itself the model is, the more there is to see.
    const order = [...same.keys()].sort(
      (a, b) => Number(same[a]) - Number(same[b]) || Math.max(...mine[a]!) - Math.max(...mine[b]!),
    )
    const chosen = order.slice(0, input.count)
    const raw = await set.read(Int32Array.from(chosen, (i) => indices[i]!))
    const samples = chosen.map((at, i) => {
      const index = indices[at]!
      const number = set.labels?.[index]
      const label = number === undefined ? {} : { label: set.classes?.[number] ?? String(number) }
      return {
        index,
        ...label,
        ...sampleView(raw, i, SIZE, undefined),
        model: guesses(mine[at]!, set),
        against: guesses(theirs[at]!, set),
        same: same[at]!,
      }
    })
    return { pool: indices.length, agree: same.filter(Boolean).length, samples }
  } finally {
    await model.release()
    await against.release()
  }
})
