import { describe, expect, it } from 'vitest'
import { methods } from '../engine/methods/index.ts'
import { checkMethod } from '../engine/train/index.ts'

const target = { provider: 'cpu', block: 1 } as const

/** The fastest check runs here, whole and broken; `methods check KEY --seeds 1,2,3 [--sabotage]` runs any. */
describe('methods', () => {
  it('state a claim with at least one direction that can fail, and a broken form', () => {
    for (const method of methods) {
      expect(Object.keys(method.check.required).length, method.key).toBeGreaterThan(0)
      expect(Object.keys(method.sabotage).length, method.key).toBeGreaterThan(0)
      expect(() => method.options.parse({}), method.key).not.toThrow()
    }
  })

  it('passes its check with the formula of the paper, and fails with the broken one', { timeout: 240_000 }, async () => {
    const settings = { seeds: [2], threads: 1, target }
    const whole = await checkMethod('dot', { ...settings, sabotage: false })
    expect(whole, JSON.stringify(whole.measured)).toMatchObject({ passed: true })
    const broken = await checkMethod('dot', { ...settings, sabotage: true })
    expect(broken, JSON.stringify(broken.measured)).toMatchObject({ passed: false })
  })
})
