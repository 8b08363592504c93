import { defineCause, short } from '../cause.ts'
import { EXPLAINED, medianOf, recovered, type Evidence, type LayerEvidence } from '../evidence.ts'

/** A channel starves when its largest number is so few steps large, or its weights so little above their rounding noise (dB). */
const STEPS = 8
const STARVED = 10
/** How many times the median channel the largest one must be. */
const IMBALANCE = 12
/** A range that much wider than nearly all values (dB) has outliers. */
const RARE = 12

interface Found {
  layer: LayerEvidence
  channel: number
  ratio: number
  starved: number
  total: number
  what: string
}

const largest = (values: readonly number[]) => values.reduce((at, v, i) => (v > values[at]! ? i : at), 0)
const count = (values: readonly number[], test: (v: number) => boolean) => values.filter(test).length

/** A channel whose size is out of proportion, and others that starve beside it. */
function imbalances(e: Evidence, layer: LayerEvidence): Found[] {
  const at = (peak: readonly number[], starved: number, what: string): Found[] => {
    const alive = peak.filter((p) => p > 0)
    const channel = largest(peak)
    const ratio = alive.length > 2 ? peak[channel]! / medianOf(alive) : 1
    return ratio >= IMBALANCE && starved > 0 ? [{ layer, channel, ratio, starved, total: alive.length, what }] : []
  }
  const weak = (sqnr: readonly number[], peak: readonly number[]) => count(sqnr, (v) => v < STARVED) - count(peak, (p) => p === 0)
  const value = e.values.find((v) => v.value === layer.input)
  // A value that a narrower range would serve has outliers, not channels out of proportion.
  const rare = value !== undefined && value.bulkGain >= RARE
  const { inputs, outputs } = layer
  return [
    ...at(outputs.peak, weak(outputs.weightSqnr, outputs.peak), 'weights of output channel'),
    ...at(inputs.peak, weak(inputs.weightSqnr, inputs.peak), 'weights of input channel'),
    ...(rare
      ? []
      : at(
          inputs.steps,
          count(inputs.steps, (s) => s > 0 && s < STEPS),
          'values of input channel',
        )),
  ]
}

export default defineCause({
  id: 'dead-channel',
  title: 'channels of very different size share one scale, so that small ones die',
  find(e) {
    const found = e.layers.flatMap((layer) => imbalances(e, layer)).sort((p, q) => q.ratio - p.ratio)
    const [worst] = found
    if (!worst || recovered(e, e.again) >= EXPLAINED) return undefined
    return {
      score: 0.6 + 0.3 * Math.min(1, Math.log2(worst.ratio / IMBALANCE) / 4),
      text: `${worst.what} ${worst.channel} of '${worst.layer.name}' are ${short(worst.ratio)} times as large as the median channel's; beside it ${worst.starved} of ${worst.total} channels are rounded to next to nothing`,
      layers: [...new Set(found.map((f) => f.layer.name))],
    }
  },
  fixes(e) {
    const coarse = e.choices.granularity === 'per-tensor'
    return [
      ...(coarse
        ? [{ text: 'give each channel a weight scale of its own', choices: { granularity: 'per-channel' as const } }]
        : []),
      { text: 'balance the channels of neighbouring layers first', choices: { equalize: true } },
      ...(coarse
        ? [
            {
              text: 'balance the channels, and give each a scale of its own',
              choices: { equalize: true, granularity: 'per-channel' as const },
            },
          ]
        : []),
    ]
  },
})
