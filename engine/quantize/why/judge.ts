import { sequential, type AnyPreprocess, type DataSet } from '../../data/index.ts'
import { openPredictor } from '../../evaluate/index.ts'
import type { Model } from '../../ir/index.ts'
import { proportionValue } from '../../metrics/index.ts'
import { decibels } from '../weights.ts'
import { simulateSaturation } from '../saturation.ts'

/** What a model says to a share of the samples. */
export interface Answers {
  rows: number
  /** Numbers in a row. */
  width: number
  numbers: Float32Array
  /** Sample of each row. */
  index: Int32Array
  /** Class of each row; absent without labels, or where rows are no classes. */
  label?: Int32Array
  /** Best class of each row; absent where rows are no classes. */
  choice?: Int32Array
}

/** What a model is judged by: top-1 accuracy, without labels agreement with the float model, without classes fidelity to it. */
export type Measure = 'top1' | 'agreement' | 'fidelity'

/** How good a model is beside the float one, all in [0, 1], 1 being best. */
export interface Judgement {
  value: number
  ci95?: readonly [number, number]
  /** Share of samples with the float model's best class. */
  agreement?: number
  /** Signal to quantization noise of the outputs, dB. */
  sqnr: number
}

/** How integers are added up: as the machine does, in 32 bits, or in pairs of 16 bits (`simulateSaturation`). */
export type Arithmetic = 'here' | 'exact' | 'pairs'

export interface Bench {
  dataset: DataSet
  preprocess: AnyPreprocess | undefined
  threads?: number | undefined
  signal?: AbortSignal | undefined
}

/** The answers of a model to samples. Errors: those of loading and running it. */
export async function answersOf(model: Model, bench: Bench, indices: Int32Array, arithmetic: Arithmetic): Promise<Answers> {
  const run = arithmetic === 'pairs' ? simulateSaturation(model).model : model
  // Without optimization no integer kernel is used: every operator is computed as it stands.
  const level = arithmetic === 'exact' ? { level: 'disabled' as const } : {}
  const predictor = await openPredictor(run, { threads: bench.threads, name: 'model', ...level })
  const rows: Float32Array[] = []
  const index: number[] = []
  const label: number[] = []
  let classes = true
  try {
    for await (const batch of sequential({ dataset: bench.dataset, indices, preprocess: bench.preprocess, batch: 64 })) {
      bench.signal?.throwIfAborted()
      const { logits, classes: width, shape } = await predictor.predict(batch.x, batch.index.length, batch.inputs)
      classes &&= width > 1 && shape.filter((d) => d > 1).length <= 1
      const wanted = batch.rows ?? Int32Array.from({ length: batch.index.length }, (_, i) => i)
      for (const i of wanted) {
        rows.push(logits.slice(i * width, (i + 1) * width))
        index.push(batch.index[i]!)
        if (batch.label) label.push(batch.label[i]!)
      }
    }
  } finally {
    await predictor.release()
  }
  const width = rows[0]?.length ?? 0
  const numbers = new Float32Array(rows.length * width)
  rows.forEach((row, i) => numbers.set(row, i * width))
  return {
    rows: rows.length,
    width,
    numbers,
    index: Int32Array.from(index),
    ...(classes ? { choice: Int32Array.from(rows, best) } : {}),
    ...(classes && label.length === rows.length && rows.length > 0 ? { label: Int32Array.from(label) } : {}),
  }
}

/** First place of the largest number. */
export const best = (row: ArrayLike<number>): number => {
  let at = 0
  for (let i = 1; i < row.length; i++) if (row[i]! > row[at]!) at = i
  return at
}

export const measureOf = (float: Answers): Measure => (float.label ? 'top1' : float.choice ? 'agreement' : 'fidelity')

/** Judges answers beside those of the float model to the same samples. */
export function judge(found: Answers, float: Answers): Judgement {
  let [signal, noise, same, right] = [0, 0, 0, 0]
  for (let i = 0; i < float.numbers.length; i++) {
    const q = found.numbers[i]!
    signal += float.numbers[i]! ** 2
    // A number that is none is as wrong as one that is not there.
    noise += Number.isFinite(q) ? (float.numbers[i]! - q) ** 2 : float.numbers[i]! ** 2
  }
  const sqnr = decibels(signal, noise)
  if (!float.choice || !found.choice) return { value: signal === 0 ? 1 : signal / (signal + noise), sqnr }
  for (let i = 0; i < float.rows; i++) {
    if (found.choice[i] === float.choice[i]) same++
    if (found.choice[i] === float.label?.[i]) right++
  }
  const agreement = same / float.rows
  const { value, ci95 } = proportionValue({ hits: float.label ? right : same, count: float.rows })!
  return { value, ...(ci95 ? { ci95 } : {}), agreement, sqnr }
}

/**
 * Whether a loss is more than chance: exact two-sided sign test over the samples that one model gets right and the other wrong (McNemar 1947).
 * Without labels the float model is taken to be right.
 */
export function chanceOf(found: Answers, float: Answers): number {
  if (!float.choice || !found.choice) return 0
  let [lost, won] = [0, 0]
  for (let i = 0; i < float.rows; i++) {
    const truth = float.label ? float.label[i] : float.choice[i]
    const before = float.choice[i] === truth
    const after = found.choice[i] === truth
    if (before && !after) lost++
    if (!before && after) won++
  }
  const n = lost + won
  if (n === 0) return 1
  let [term, tail] = [0.5 ** n, 0]
  for (let k = 0; k <= Math.min(lost, won); k++) {
    tail += term
    term *= (n - k) / (k + 1)
  }
  // Beyond a thousand samples 0.5^n vanishes, and so does the chance.
  return Math.min(1, 2 * tail)
}
