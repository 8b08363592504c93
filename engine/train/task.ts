import type { DataSet, ValueTarget } from '../data/index.ts'
import { OptionError } from '../errors.ts'
import { crossEntropy, mse } from '../losses/index.ts'
import type { Tensor } from '../ops/index.ts'

/**
 * What a model is trained for: a class of each sample, numbers (judged in units of `scale`, one for each), or a class of each pixel.
 * `partial`: rows of the target may be zero, and such samples do not count.
 */
export type Task =
  | { readonly kind: 'class'; readonly partial?: boolean }
  | { readonly kind: 'values'; readonly scale: readonly number[] }
  | { readonly kind: 'map' }

/** The task of a data set; numbers are scaled by their deviation over the training samples. */
export function taskOf(set: DataSet, train: Int32Array): Task {
  const { target } = set
  if (target?.kind === 'map') return { kind: 'map' }
  if (target?.kind === 'values') return { kind: 'values', scale: targetStatistics(target, train).std }
  return set.kind === 'graph' ? { kind: 'class', partial: true } : { kind: 'class' }
}

/** Mean and deviation of each number over the training samples; 1 for one that never varies. */
export function targetStatistics({ names, values }: ValueTarget, train: Int32Array): { mean: number[]; std: number[] } {
  const each = names.map((_, k) => {
    const own = Array.from(train, (i) => values[i * names.length + k]!)
    const mean = own.reduce((a, b) => a + b, 0) / own.length
    return { mean, std: Math.sqrt(own.reduce((a, v) => a + (v - mean) ** 2, 0) / own.length) || 1 }
  })
  return { mean: each.map((e) => e.mean), std: each.map((e) => e.std) }
}

/** A network's answer as rows: [N, C], of pixels [N H W, C] where it answers for each. */
export function rowsOf(logits: Tensor, task: Task): Tensor {
  if (task.kind === 'map') {
    if (logits.rank !== 4)
      throw new OptionError(`a class for each pixel needs an answer [batch, classes, height, width], found ${logits.toString()}`, {
        where: 'student',
        hint: 'for instance template:unet-small',
      })
    const [n, c, h, w] = logits.shape as [number, number, number, number]
    return logits.transpose([0, 2, 3, 1]).reshape([n * h * w, c])
  }
  return logits.rank === 2 ? logits : logits.flatten()
}

/**
 * The target as rows that fit those of the answer: distributions, or numbers. Where samples may not count, the rows that do are
 * scaled up, so that a mean over all rows is the mean over those; smoothing is then done here.
 */
export function targetRows(
  y: Tensor,
  task: Task,
  classes: number,
  labelSmoothing: number,
): { target: Tensor; labelSmoothing: number } {
  if (task.kind === 'values' || (task.kind === 'class' && !task.partial)) return { target: y, labelSmoothing }
  const rows =
    task.kind === 'class'
      ? y
      : y
          .reshape([y.size, 1])
          .equal(
            y.b.array(
              'float32',
              [1, classes],
              Array.from({ length: classes }, (_, k) => k),
            ),
          )
          .cast('float32')
  const share = rows.sum([-1], true)
  const smooth = labelSmoothing === 0 ? rows : rows.mul(1 - labelSmoothing).add(share.mul(labelSmoothing / classes))
  return { target: smooth.mul(rows.sum().maximum(1).rdiv(rows.shape[0]!)), labelSmoothing: 0 }
}

/** The loss without a method: cross-entropy of classes, squared error of numbers in units of their scale. */
export function taskLoss(rows: Tensor, target: Tensor, task: Task, labelSmoothing: number): Tensor {
  if (task.kind !== 'values') return crossEntropy(rows, target, { labelSmoothing })
  const scale = rows.b.array('float32', [1, task.scale.length], task.scale)
  return mse(rows.div(scale), target.div(scale))
}
