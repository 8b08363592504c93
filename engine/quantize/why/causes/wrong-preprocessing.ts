import { defineCause, rangeText, short } from '../cause.ts'
import { EXPLAINED, recovered, type InputEvidence } from '../evidence.ts'

/** How far a range may reach beyond all samples, or end short of every one, as a share of their range: calibration never widens, and clips little. */
const BEYOND = 0.2
const SHORT = 0.15

/** What no choice of samples explains; 0 is always covered. */
function oddity({ covered, all, every }: InputEvidence): string | undefined {
  const width = all[1] - all[0]
  const over = Math.max(all[0] - covered[0], covered[1] - all[1]) / width
  if (over > BEYOND) return 'no sample reaches so far'
  if ((covered[0] - every[0]) / width > SHORT) return `every sample goes down to ${short(every[0])} or below`
  if ((every[1] - covered[1]) / width > SHORT) return `every sample goes up to ${short(every[1])} or above`
  return undefined
}

export default defineCause({
  id: 'wrong-preprocessing',
  title: 'calibration saw samples that were prepared differently',
  find(e) {
    const odd = e.inputs.find((i) => oddity(i) !== undefined)
    if (!odd || recovered(e, e.again) < EXPLAINED) return undefined
    return {
      score: 0.95,
      text: `integers of the input '${odd.value}' cover ${rangeText(odd.covered)}, while samples prepared for the float model lie in ${rangeText(odd.all)}: ${oddity(odd)}${odd.looksLike ? `; it is the range of the preprocessing '${odd.looksLike}'` : ''}`,
      layers: e.values.find((v) => v.value === odd.value)?.readBy ?? [],
    }
  },
  fixes: (e) => [
    {
      text: "take the ranges again, from samples with the float model's preprocessing",
      choices: { calibrationSamples: Math.max(256, e.choices.calibrationSamples ?? 0) },
    },
  ],
})
