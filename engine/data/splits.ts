import { OptionError } from '../errors.ts'
import { random } from '../random.ts'
import type { DataSet, Range, Splits } from './types.ts'

export interface SplitOptions {
  /** Share of the samples used for training (validation included); the rest is the test part. In (0, 1]. */
  share?: number
  /** Share of the training part that is held out for validation, in [0, 1). */
  validationShare?: number
  seed: number
  /**
   * Give each part the same mix of classes. Default: no, so that the parts are the same whether labels are used or not: what one verb
   * trained on without labels, another must not judge on with them.
   */
  stratify?: boolean
}

/**
 * Training, validation and test samples; what is cut by share is shuffled. A set with its own parts keeps them. The answer depends on the
 * number of samples and the seed alone, so it is the same whether or not a labels file exists.
 * @throws OptionError for shares out of range.
 */
export function makeSplits(set: DataSet, { share = 0.8, validationShare = 0.1, seed, stratify }: SplitOptions): Splits {
  if (!(share > 0 && share <= 1))
    throw new OptionError(`expected a share above 0 and at most 1, found ${share}`, { where: 'split' })
  if (!(validationShare >= 0 && validationShare < 1)) {
    throw new OptionError(`expected a share of 0 or more and below 1, found ${validationShare}`, { where: 'validationShare' })
  }
  const labels = stratify ? set.labels : undefined
  const cut = (indices: Int32Array, part: number, name: string) => divide(indices, part, labels, seed, name)
  const own = set.splits
  const [training, test] = own ? [range(own.train), range(own.test)] : cut(range([0, set.length]), share, 'split')
  const [train, validation] = own?.validation ? [training, range(own.validation)] : cut(training, 1 - validationShare, 'validation')
  return { train, validation, test }
}

const range = ([start, end]: Range): Int32Array => Int32Array.from({ length: end - start }, (_, i) => start + i)

/** Two parts of shuffled samples; the first has `share` of them, of each class when `labels` is given. */
function divide(
  indices: Int32Array,
  share: number,
  labels: Int32Array | undefined,
  seed: number,
  name: string,
): [Int32Array, Int32Array] {
  const order = random(seed, name).permutation(indices.length)
  const shuffled = order.map((at) => indices[at]!)
  const size = Math.round(indices.length * share)
  if (!labels) return [shuffled.subarray(0, size), shuffled.subarray(size)]
  const counts = new Map<number, number>()
  for (const index of shuffled) counts.set(labels[index]!, (counts.get(labels[index]!) ?? 0) + 1)
  const wanted = quotas(counts, share, size)
  const first: number[] = []
  const second: number[] = []
  for (const index of shuffled) {
    const left = wanted.get(labels[index]!)!
    if (left > 0) {
      wanted.set(labels[index]!, left - 1)
      first.push(index)
    } else second.push(index)
  }
  return [Int32Array.from(first), Int32Array.from(second)]
}

/** Whole numbers near share x count that sum to `size`: the largest remainders are rounded up. */
function quotas(counts: Map<number, number>, share: number, size: number): Map<number, number> {
  const classes = [...counts].sort(([a], [b]) => a - b).map(([label, count]) => ({ label, exact: count * share }))
  const out = new Map(classes.map(({ label, exact }) => [label, Math.floor(exact)]))
  let missing = size - [...out.values()].reduce((a, b) => a + b, 0)
  for (const { label, exact } of classes.sort((a, b) => (b.exact % 1) - (a.exact % 1) || a.label - b.label)) {
    if (missing-- > 0 && out.get(label)! < counts.get(label)!) out.set(label, Math.floor(exact) + 1)
  }
  return out
}
