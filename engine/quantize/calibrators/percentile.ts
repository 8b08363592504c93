import { defineCalibrator } from '../calibrator.ts'
import { Histogram } from '../histogram.ts'

/** Share of the values that the range covers, half of the rest being cut on each side. */
const COVERED = 0.9999

export default defineCalibrator({
  id: 'percentile',
  title: '99.99 % of the values',
  why: 'Cuts a fixed share of outliers, however far out they are.',
  range(seen) {
    const cut = (seen.total * (1 - COVERED)) / 2
    return [quantile(seen, cut), quantile(seen, seen.total - cut)]
  },
})

/** The value below which `mass` of the numbers lie, linear within a bin. */
function quantile(seen: Histogram, mass: number): number {
  const middle = Histogram.BINS / 2
  let below = 0
  for (let bin = 0; bin < Histogram.BINS; bin++) {
    if (bin === middle) {
      if (below + seen.zeros >= mass && seen.zeros > 0) return 0
      below += seen.zeros
    }
    const count = seen.counts[bin]!
    if (count > 0 && below + count >= mass) {
      const x = seen.centre(bin) + ((mass - below) / count - 0.5) * seen.width
      return Math.min(seen.max, Math.max(seen.min, x))
    }
    below += count
  }
  return seen.max
}
