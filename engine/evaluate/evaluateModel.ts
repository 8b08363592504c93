import { sequential, type DataSet, type Preprocess } from '../data/index.ts'
import { DataError, StillroomError } from '../errors.ts'
import { makeMeter, type MetricBatch, type MetricValue } from '../metrics/index.ts'
import type { Prediction, Predictor } from './predictor.ts'

export interface EvaluateOptions {
  model: Predictor
  dataset: DataSet
  /** Samples to judge on. */
  indices: Int32Array
  preprocess?: Preprocess | undefined
  /** The teacher's own preprocessing, where it differs. */
  againstPreprocess?: Preprocess | undefined
  /** Metrics by id; all that can be computed when absent. */
  metrics?: readonly string[] | undefined
  /** Model to agree with; sees the same samples at the same time. */
  against?: Predictor | undefined
  batch?: number
  signal?: AbortSignal
  onProgress?: (done: number, total: number) => void
}

export interface Evaluation {
  samples: number
  metrics: Record<string, MetricValue>
  /** The other model's metrics on the same samples. */
  against?: Record<string, MetricValue>
}

/**
 * Judges a model on a share of a data set, batch by batch, beside another model where one is given. Metrics whose inputs are
 * missing (labels, a teacher) are absent.
 * Errors: DataError when labels exceed the model's classes or the two models' outputs cannot be compared.
 */
export async function evaluateModel(o: EvaluateOptions): Promise<Evaluation> {
  const meter = makeMeter(o.metrics)
  const other = o.against ? makeMeter(o.metrics) : undefined
  const same = !o.againstPreprocess || JSON.stringify(o.againstPreprocess) === JSON.stringify(o.preprocess)
  const common = { dataset: o.dataset, indices: o.indices, batch: o.batch ?? 64 }
  const theirs = o.against && !same ? sequential({ ...common, preprocess: o.againstPreprocess }) : undefined
  let done = 0
  for await (const batch of sequential({ ...common, preprocess: o.preprocess })) {
    if (o.signal?.aborted) throw new StillroomError('interrupted', 'evaluation was stopped', { where: o.model.name })
    const count = batch.index.length
    const mine = await o.model.predict(batch.x, count)
    const label = usableLabels(batch.label, mine, o)
    if (!o.against || !other) meter.add({ classes: mine.classes, logits: mine.logits, ...label })
    else {
      const x = theirs ? (await theirs.next()).value!.x : batch.x
      const teacher = await o.against.predict(x, count)
      if (teacher.classes !== mine.classes)
        throw new DataError(
          `the models answer with ${mine.classes} and ${teacher.classes} numbers a sample, which cannot be compared`,
          { where: o.against.name },
        )
      meter.add({ classes: mine.classes, logits: mine.logits, teacherLogits: teacher.logits, ...label })
      other.add({ classes: teacher.classes, logits: teacher.logits, ...label })
    }
    done += count
    o.onProgress?.(done, o.indices.length)
  }
  return { samples: done, metrics: meter.finish(), ...(other ? { against: other.finish() } : {}) }
}

/** Labels go with class scores only: one row of numbers a sample. */
function usableLabels(
  label: Int32Array | undefined,
  { classes, shape }: Prediction,
  o: EvaluateOptions,
): Pick<MetricBatch, 'label'> {
  if (!label || shape.filter((d) => d > 1).length > 1) return {}
  const wrong = label.find((k) => k >= classes)
  if (wrong !== undefined)
    throw new DataError(`label ${wrong} has no place among the ${classes} outputs of the model`, {
      where: o.dataset.name,
      hint: `evaluate with --labels off, or with data of the model's classes`,
    })
  return { label }
}
