import { sequential, type AnyPreprocess, type Batch, type DataSet } from '../data/index.ts'
import { DataError, StillroomError } from '../errors.ts'
import { makeMeter, type MetricValue } from '../metrics/index.ts'
import { metricBatch, metricsFor, pickRows, type Answer } from '../train/index.ts'
import type { Predictor } from './predictor.ts'

export interface EvaluateOptions {
  model: Predictor
  dataset: DataSet
  /** Samples to judge on. */
  indices: Int32Array
  preprocess?: AnyPreprocess | undefined
  /** The teacher's own preprocessing, where it differs. */
  againstPreprocess?: AnyPreprocess | undefined
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
  const ids = o.metrics ?? metricsFor(o.dataset)
  const meter = makeMeter(ids)
  const other = o.against ? makeMeter(ids) : undefined
  const same = !o.againstPreprocess || JSON.stringify(o.againstPreprocess) === JSON.stringify(o.preprocess)
  const common = { dataset: o.dataset, indices: o.indices, batch: o.batch ?? 64 }
  const theirs = o.against && !same ? sequential({ ...common, preprocess: o.againstPreprocess }) : undefined
  let done = 0
  for await (const batch of sequential({ ...common, preprocess: o.preprocess })) {
    if (o.signal?.aborted) throw new StillroomError('interrupted', 'evaluation was stopped', { where: o.model.name })
    const mine = await answer(o.model, batch)
    if (!o.against || !other) meter.add(metricBatch(o.dataset, batch, mine, undefined, o.model.name))
    else {
      const teacher = await answer(o.against, theirs ? (await theirs.next()).value! : batch)
      if (teacher.rows.length !== mine.rows.length) {
        const [a, b] = [mine, teacher].map(({ shape }) => shape.reduce((n, d) => n * d, 1))
        throw new DataError(`the models answer with ${a} and ${b} numbers a sample, which cannot be compared`, {
          where: o.against.name,
        })
      }
      meter.add(metricBatch(o.dataset, batch, mine, teacher, o.model.name))
      other.add(metricBatch(o.dataset, batch, teacher, undefined, o.against.name))
    }
    done += (batch.rows ?? batch.index).length
    o.onProgress?.(done, o.indices.length)
  }
  return { samples: done, metrics: meter.finish(), ...(other ? { against: other.finish() } : {}) }
}

/** The model's answers to the samples that were asked for. */
async function answer(model: Predictor, batch: Batch): Promise<Answer> {
  const { logits, classes, shape } = await model.predict(batch.x, batch.index.length, batch.inputs)
  return { rows: batch.rows ? pickRows(logits, batch.rows, classes) : logits, shape }
}
