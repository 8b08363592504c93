import { defineCalibrator } from '../calibrator.ts'
import { Histogram } from '../histogram.ts'

const STEPS = 128

/**
 * Largest share of the values other than 0 that may be clipped. A constant background puts a spike into the distribution, and the
 * divergence alone would then prefer narrow ranges that keep the spike's shape and cut most of the signal.
 */
const CLIPPED = 0.001

/** What stands for "never" where the clipped distribution has mass and the quantized one has none. */
const SMALL = 1e-4

export default defineCalibrator({
  id: 'entropy',
  title: 'Least information lost (KL divergence)',
  why: 'Keeps the shape of the distribution, as TensorRT does; suits layers with long thin tails.',
  range(seen, grid) {
    const reach = Math.max(Math.abs(seen.min), Math.abs(seen.max))
    const largest = Math.ceil(reach / seen.width)
    const levels = grid.high - grid.low + 1
    const smallest = Math.min(largest, levels / 2)
    let best = { loss: Infinity, half: largest }
    // From wide to narrow, so that the wider of two equal ranges is taken.
    for (let k = STEPS; k >= 0; k--) {
      const half = Math.round(smallest + ((largest - smallest) * k) / STEPS)
      const loss = divergence(seen, half, levels)
      if (loss < best.loss) best = { loss, half }
    }
    const threshold = best.half * seen.width
    return [Math.max(seen.min, -threshold), Math.min(seen.max, threshold)]
  },
})

/** KL divergence from the distribution clipped to `half` bins on either side of 0 to the same in `levels` steps. */
function divergence(seen: Histogram, half: number, levels: number): number {
  const middle = Histogram.BINS / 2
  const first = Math.max(middle - half, seen.binOf(seen.min))
  const last = Math.min(middle + half - 1, seen.binOf(seen.max))
  const size = last - first + 1
  const inside = seen.counts.subarray(first, last + 1)
  const mass = massOf(inside)
  if (mass < (seen.total - seen.zeros) * (1 - CLIPPED)) return Infinity
  const clipped = Float64Array.from(inside)
  for (let i = 0; i < first; i++) clipped[0]! += seen.counts[i]!
  for (let i = last + 1; i < Histogram.BINS; i++) clipped[size - 1]! += seen.counts[i]!

  // Each step spreads its mass evenly over those of its bins that have any.
  const coarse = new Float64Array(size)
  for (let level = 0; level < levels; level++) {
    const start = Math.floor((level * size) / levels)
    const end = Math.floor(((level + 1) * size) / levels)
    let [sum, used] = [0, 0]
    for (let i = start; i < end; i++) {
      sum += inside[i]!
      if (inside[i]! > 0) used++
    }
    if (used > 0) for (let i = start; i < end; i++) if (inside[i]! > 0) coarse[i] = sum / used
  }
  return kl(clipped, coarse)
}

const massOf = (values: Float64Array): number => values.reduce((a, b) => a + b, 0)

function kl(p: Float64Array, q: Float64Array): number {
  const [massP, massQ] = [massOf(p), massOf(q)]
  if (massP === 0 || massQ === 0) return Infinity
  let sum = 0
  for (let i = 0; i < p.length; i++) {
    if (p[i] === 0) continue
    const a = p[i]! / massP
    const b = q[i]! > 0 ? q[i]! / massQ : SMALL / p.length
    sum += a * Math.log(a / b)
  }
  return sum
}
