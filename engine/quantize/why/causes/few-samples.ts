import { defineCause, percent, rangeText } from '../cause.ts'
import { EXPLAINED, recovered } from '../evidence.ts'

/** Clipping that outweighs rounding so many times is no calibrator's choice. */
const OUTWEIGHS = 4

export default defineCause({
  id: 'few-samples',
  title: 'calibration saw too few samples',
  find(e) {
    const inner = e.values.filter((v) => v.signal > 0)
    const cut = inner
      .filter((v) => v.clipNoise > OUTWEIGHS * v.roundNoise)
      .sort((p, q) => q.clipNoise / q.signal - p.clipNoise / p.signal)
    const [worst] = cut
    if (!worst || recovered(e, e.again) < EXPLAINED) return undefined
    const told = e.choices.calibrationSamples
    return {
      score: 0.6 + 0.3 * (cut.length / inner.length),
      text: `${cut.length} of ${inner.length} activations lose more to clipping than to rounding: '${worst.value}' covers ${rangeText(worst.covered)}, the data reach ${rangeText(worst.seen)} and ${percent(worst.clipped)} of its values are cut${told === undefined ? '' : `; ranges came from ${told} sample${told === 1 ? '' : 's'}`}`,
      layers: [...new Set(cut.flatMap((v) => v.readBy))],
    }
  },
  fixes: () => [
    { text: 'take the ranges from 256 samples', choices: { calibrationSamples: 256 } },
    { text: 'take the ranges from 1,024 samples and clip nothing', choices: { calibrationSamples: 1024, calibration: 'minmax' } },
  ],
})
