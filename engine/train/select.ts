import type { FitOptions } from './fit.ts'
import type { Net } from './program.ts'

type AnswersOf = (o: FitOptions, teacher: Net, indices: Int32Array) => Promise<{ rows: Float32Array; classes: number }>

/** The same training on the samples that its methods choose by the teacher's answers to all of them. */
export async function chosenSamples(o: FitOptions, answersOf: AnswersOf): Promise<FitOptions> {
  let { train } = o.splits
  for (const { method, options } of o.methods) {
    if (!method.select || !o.teacher) continue
    const indices = Int32Array.from(train).sort()
    const { rows, classes } = await answersOf(o, o.teacher, indices)
    train = method.select({ indices, logits: rows, classes }, options) ?? train
  }
  if (train === o.splits.train) return o
  o.on.message?.('info', `${train.length} of ${o.splits.train.length} training samples are used`)
  return { ...o, splits: { ...o.splits, train } }
}
