import { defineCause, percent, short } from '../cause.ts'
import { EXPLAINED, medianOf, recovered } from '../evidence.ts'

export default defineCause({
  id: 'sensitive-layer',
  title: 'one layer cannot be rounded without harm',
  find(e) {
    const [first] = e.alone
    const share = first ? recovered(e, first.judged) : 0
    if (!first || share < EXPLAINED || recovered(e, e.again) >= EXPLAINED) return undefined
    const at = e.layers.findIndex((l) => l.name === first.layer)
    const layer = e.layers[at]
    const others = medianOf(e.layers.flatMap((l) => (l.sqnr !== null && l !== layer ? [l.sqnr] : [])))
    const place = at === 0 ? 'the first layer' : at === e.layers.length - 1 ? 'the last layer' : 'one layer'
    const own =
      layer?.sqnr == null
        ? ''
        : `; given the float model's input its result is ${short(layer.sqnr)} dB above its noise, the other layers' ${short(others)} dB`
    return {
      score: 0.55 * share,
      text: `'${first.layer}' (${place}) alone makes ${percent(share)} of the loss: with it in float the model is at ${percent(first.judged.value)}${own}`,
      layers: [first.layer],
    }
  },
  fixes: (e, { layers }) => [
    { text: `keep '${layers[0]}' in float`, choices: { exclude: [...new Set([...e.choices.exclude, ...layers])] } },
    {
      text: `keep '${layers[0]}' and the next most sensitive layer in float`,
      choices: { exclude: [...new Set([...e.choices.exclude, ...layers, ...e.alone.slice(1, 2).map((a) => a.layer)])] },
    },
  ],
})
