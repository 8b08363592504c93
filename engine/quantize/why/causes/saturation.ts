import { defineCause, percent } from '../cause.ts'
import { EXPLAINED, lossOf } from '../evidence.ts'

export default defineCause({
  id: 'saturation',
  title: 'integer kernels overflow on this kind of processor',
  find(e) {
    const loss = lossOf(e, e.quantized)
    const own = e.exact.value - e.quantized.value
    if (loss === 0 || own / loss < EXPLAINED) return undefined
    const layers = [...e.layers].filter((l) => l.atRisk > 0).sort((p, q) => q.atRisk - p.atRisk)
    return {
      score: 0.95,
      text: `without VNNI the kernels add pairs of products in 16 bits: ${percent(e.quantized.value)} there, ${percent(e.exact.value)} where they are added in 32 bits; in ${layers.length} of ${e.layers.length} layers pairs can overflow, most in '${layers[0]?.name}' (${percent(layers[0]?.atRisk ?? 0)} of its pairs)`,
      layers: layers.map((l) => l.name),
    }
  },
  fixes: () => [
    { text: 'use 7 of the 8 bits of a weight, so that no pair can overflow', choices: { reduceRange: true } },
    { text: 'use unsigned weights, whose kernels add up in 32 bits', choices: { scheme: 'uint8', reduceRange: false } },
  ],
})
