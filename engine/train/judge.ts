import type { TensorData } from '../ir/index.ts'
import { makeMeter } from '../metrics/index.ts'
import type { FitOptions } from './fit.ts'
import { answersOf, logitsOf } from './logits.ts'
import { metricBatch } from './measure.ts'
import { withWeights } from './parameters.ts'

export interface Verdict {
  /** Higher is better. */
  score: number
  metrics: Record<string, number>
}

/**
 * A judge of weights on the validation part: accuracy of classes, mean IoU of pixels, explained variance of numbers where there are labels, agreement
 * with the teacher otherwise. Undefined where nothing can be judged.
 */
export async function makeJudge(
  o: FitOptions,
): Promise<((weights: ReadonlyMap<string, TensorData>) => Promise<Verdict>) | undefined> {
  const indices = o.splits.validation
  if (o.evalEvery === 0 || indices.length === 0) return undefined
  const settings = { threads: o.threads, provider: o.provider }
  const teacher = o.teacher ? await logitsOf(o.teacher, o.samples, indices, settings) : undefined
  if (!o.labelled && !teacher) return undefined
  const kind = o.task?.kind ?? 'class'
  const own = { class: ['top1', 'nll'], map: ['miou', 'top1', 'nll'], values: ['r2', 'squared-error', 'mae'] }[kind]
  const ids = [...(o.labelled ? own : []), ...(teacher ? (kind === 'values' ? ['mse'] : ['agreement', 'kl-to-teacher']) : [])]
  return async (weights) => {
    const net = { ...o.student, model: o.qat?.realize(weights) ?? withWeights(o.student.model, weights) }
    const meter = makeMeter(ids)
    let done = 0
    for await (const { batch, rows, shape } of answersOf(net, o.samples, indices, settings)) {
      const width = shape.reduce((n, d) => n * d, 1)
      const count = rows.length / width
      const theirs = teacher && { rows: teacher.rows.subarray(done * width, (done + count) * width), shape }
      meter.add(metricBatch(o.samples.dataset, o.labelled ? batch : withoutLabels(batch), { rows, shape }, theirs, 'the student'))
      done += count
    }
    const metrics = Object.fromEntries(Object.entries(meter.finish()).map(([id, v]) => [id, v.value]))
    // The distance breaks ties between equal counts of right answers.
    const distance = metrics['nll'] ?? metrics['kl-to-teacher'] ?? 0
    const main = metrics['miou'] ?? metrics['top1'] ?? metrics['r2'] ?? metrics['agreement'] ?? -(metrics['mse'] ?? 0)
    return { score: main - 1e-6 * Math.min(distance, 100), metrics }
  }
}

function withoutLabels<B extends { label?: unknown; y?: unknown }>({ label: _, y: __, ...rest }: B): Omit<B, 'label' | 'y'> {
  return rest
}
