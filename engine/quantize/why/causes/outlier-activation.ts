import { defineCause, percent, short } from '../cause.ts'
import { EXPLAINED, recovered } from '../evidence.ts'

/** Noise that a narrower range would take from nearly all values, in dB (6 dB are one bit), and how far the largest value lies out. */
const GAIN = 15
const SPREAD = 6

export default defineCause({
  id: 'outlier-activation',
  title: 'a few very large activations make every step coarse',
  find(e) {
    const found = e.values
      .filter((v) => v.signal > 0 && v.bulkGain >= GAIN && v.spread >= SPREAD)
      .sort((p, q) => q.bulkGain - p.bulkGain)
    const [worst] = found
    if (!worst || recovered(e, e.again) >= EXPLAINED) return undefined
    return {
      score: 0.65 + 0.3 * Math.min(1, worst.bulkGain / 40),
      text: `the largest value of '${worst.value}' is ${short(worst.spread)} times the size that 99.9 % of its values stay below: covering all but one in ten thousand would make the others ${short(worst.bulkGain)} dB cleaner (${short(worst.bulkGain / 6.02)} bits); with activations alone rounded the model is at ${percent(e.activations.value)}`,
      layers: [...new Set(found.flatMap((v) => v.readBy))],
    }
  },
  fixes: (e, { layers }) => [
    { text: 'cut 0.01 % of the values', choices: { calibration: 'percentile' } },
    { text: 'choose ranges by least noise', choices: { calibration: 'mse' } },
    { text: 'choose ranges by least loss of information', choices: { calibration: 'entropy' } },
    { text: 'keep the layers that read them in float', choices: { exclude: [...new Set([...e.choices.exclude, ...layers])] } },
  ],
})
