import type { Batch, DataSet } from '../data/index.ts'
import { DataError } from '../errors.ts'
import type { MetricBatch } from '../metrics/index.ts'
import { pickRows } from './logits.ts'

/** A model's answers to a batch, one row for each sample that was asked for. */
export interface Answer {
  rows: Float32Array
  /** Shape of a row. */
  shape: readonly number[]
}

/** Metrics that fit what a set is about; undefined: all that can be computed. */
export const metricsFor = (set: DataSet): string[] | undefined =>
  set.target?.kind === 'values' ? ['squared-error', 'mae', 'r2', 'mse'] : undefined

/**
 * Answers beside what they should be, in the form that metrics read. Pixels become rows of their own; samples and pixels without a
 * class are left out. Errors: DataError for class numbers that the model has no output for, and answers of another shape than the target.
 */
export function metricBatch(set: DataSet, batch: Batch, mine: Answer, teacher?: Answer, name = 'model'): MetricBatch {
  const width = mine.shape.reduce((n, d) => n * d, 1)
  const both = { logits: mine.rows, ...(teacher ? { teacherLogits: teacher.rows } : {}) }
  const { target } = set
  if (target?.kind === 'values') {
    if (batch.y && width !== target.names.length)
      throw new DataError(`expected ${target.names.length} numbers for a sample (${target.names.join(', ')}), found ${width}`, {
        where: name,
      })
    return { classes: width, ...both, ...(batch.y ? { target: batch.y } : {}) }
  }
  if (target?.kind === 'map') return pixelBatch(set, batch, mine, teacher, name)
  const label = batch.label && (batch.rows ? batch.rows.map((row) => batch.label![row]!) : batch.label)
  // Labels go with class scores only: one row of numbers a sample.
  if (!label || mine.shape.filter((d) => d > 1).length > 1) return { classes: width, ...both }
  return { classes: width, ...withLabels(label, both, width, set, name) }
}

type Rows = Pick<MetricBatch, 'logits' | 'teacherLogits'>

/** Rows with a label, and no others. */
function withLabels(label: Int32Array, rows: Rows, classes: number, set: DataSet, name: string) {
  const wrong = label.find((k) => k >= classes)
  if (wrong !== undefined)
    throw new DataError(`label ${wrong} has no place among the ${classes} outputs of ${name}`, {
      where: set.name,
      hint: `use --labels off, or data of the model's classes`,
    })
  if (!label.includes(-1)) return { ...rows, label }
  const kept = Int32Array.from([...label.keys()].filter((i) => label[i]! >= 0))
  const pick = (values: Float32Array | undefined) => values && pickRows(values, kept, classes)
  const teacherLogits = pick(rows.teacherLogits)
  return { logits: pick(rows.logits)!, ...(teacherLogits ? { teacherLogits } : {}), label: kept.map((i) => label[i]!) }
}

/** [N, C, H, W] as a row for each pixel. */
function pixelBatch(set: DataSet, batch: Batch, mine: Answer, teacher: Answer | undefined, name: string): MetricBatch {
  const [classes = 0, height = 0, width = 0] = mine.shape
  const area = height * width
  const count = batch.index.length
  if (mine.shape.length !== 3 || (batch.y && batch.y.length !== count * area))
    throw new DataError(`expected a class for each pixel of the input, found an answer of shape [${mine.shape.join(', ')}]`, {
      where: name,
    })
  const rows = {
    logits: pixelRows(mine.rows, count, classes, area),
    ...(teacher ? { teacherLogits: pixelRows(teacher.rows, count, classes, area) } : {}),
  }
  if (!batch.y) return { classes, ...rows }
  const labelled = withLabels(Int32Array.from(batch.y), rows, classes, set, name)
  return { classes, ...labelled, pixelLabel: labelled.label }
}

function pixelRows(from: Float32Array, count: number, classes: number, area: number): Float32Array {
  const out = new Float32Array(from.length)
  for (let n = 0; n < count; n++)
    for (let c = 0; c < classes; c++)
      for (let i = 0; i < area; i++) out[(n * area + i) * classes + c] = from[(n * classes + c) * area + i]!
  return out
}
