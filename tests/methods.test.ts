import { describe, expect, it } from 'vitest'
import { findMethod, methods } from '../engine/methods/index.ts'
import { checkMethod } from '../engine/train/index.ts'

const settings = { seeds: [1], threads: 1, target: { provider: 'cpu', block: 1 } } as const

/** Checks whose trainings are short enough to run here; `methods check KEY --seeds 1,2,3 [--sabotage]` runs any. */
const SHORT = ['hinton-kd', 'dot', 'luminet-kd', 'ssld', 'fitnets']

describe('methods', () => {
  it('state a claim with at least one direction that can fail, and a broken form', () => {
    for (const method of methods) {
      expect(Object.keys(method.check.required).length, method.key).toBeGreaterThan(0)
      expect(Object.keys(method.sabotage).length, method.key).toBeGreaterThan(0)
      expect(() => method.options.parse({}), method.key).not.toThrow()
    }
  })

  it.each(methods.map((m) => m.key))(
    '%s: the formula agrees with the equation worked out apart, and the broken one does not',
    async (key) => {
      const whole = await checkMethod(key, { ...settings, only: 'formula', sabotage: false })
      expect(whole, JSON.stringify(whole.measured)).toMatchObject({ passed: true })
      const broken = await checkMethod(key, { ...settings, only: 'formula', sabotage: true })
      expect(broken, JSON.stringify(broken.measured)).toMatchObject({ passed: false })
    },
  )

  it.each(SHORT)('%s: the claim holds, and fails with the broken formula', { timeout: 240_000 }, async (key) => {
    const whole = await checkMethod(key, { ...settings, sabotage: false })
    expect(whole, JSON.stringify(whole.measured)).toMatchObject({ passed: true })
    const broken = await checkMethod(key, { ...settings, sabotage: true })
    expect(broken, JSON.stringify(broken.measured)).toMatchObject({ passed: false })
    // The trainings find it too, not the formula alone.
    expect(broken.missed.filter((name) => name !== 'formulaDigits').length, JSON.stringify(broken.measured)).toBeGreaterThan(0)
  })

  it('ssld keeps of each class the samples that the teacher is surest of', () => {
    // Two classes; samples 10, 12 and 14 belong to class 0 with falling certainty, 11 and 13 to class 1.
    const logits = Float32Array.from([5, 0, 0, 1, 3, 0, 0, 4, 1, 0])
    const pool = { indices: Int32Array.of(10, 11, 12, 13, 14), logits, classes: 2 }
    const { select, options } = findMethod('ssld')
    const keep = (topPerClass: number) => select!(pool, options.parse({ topPerClass }))
    expect(keep(1)).toEqual(Int32Array.of(10, 13))
    expect(keep(2)).toEqual(Int32Array.of(10, 11, 12, 13))
    expect(keep(9)).toEqual(pool.indices)
    expect(keep(0)).toBeUndefined()
  })
})
