import { beforeAll, describe, expect, it } from 'vitest'
import { explainPlanted, FAULTS, grow, healthy, plant, type Grown } from '../../../tests/planted.ts'
import { integerKernels, probeCpu } from '../../session/index.ts'
import { summaryOf } from '../index.ts'

const SEED = 7
const MOST = 240
let grown: Grown
let here: 'exact' | 'pairs' | 'unknown'

beforeAll(async () => {
  grown = await grow(SEED, 'small-cnn:0.5', 220)
  here = integerKernels(await probeCpu()).sums
}, 120_000)

describe('why', () => {
  it.each(FAULTS)('names %s, and its fix gives back four fifths of the loss', { timeout: 120_000 }, async (fault) => {
    const planted = await plant(fault, grown, SEED)
    const x = await explainPlanted(grown, planted, here, MOST)
    expect(x.causes[0]).toMatchObject({ id: fault })
    expect(x.verdict).toBe('fault')
    expect(x.fix!.recovered).toBeGreaterThanOrEqual(0.8)
    expect(x.heldOut.fixed!.value).toBeGreaterThan(x.heldOut.quantized.value)
    expect(x.flips.count).toBeGreaterThan(0)
    expect(summaryOf(x)).toContain(x.causes[0]!.title)
  })

  it.each(['exact', 'pairs'] as const)(
    'finds no fault in a healthy model, products added up: %s',
    { timeout: 120_000 },
    async (target) => {
      const x = await explainPlanted(grown, await healthy(grown, target), here, MOST)
      expect(x).toMatchObject({ verdict: 'healthy', causes: [] })
      expect(x.fix).toBeUndefined()
      expect(x.layers.every((l) => l.sqnr! > 25)).toBe(true)
      // Noise adds up from layer to layer.
      expect(x.layers.at(-1)!.cumulativeSqnr!).toBeLessThan(x.layers.at(-1)!.sqnr!)
    },
  )
})
