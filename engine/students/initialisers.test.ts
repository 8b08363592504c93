import { describe, expect, it } from 'vitest'
import {
  fans,
  initialise,
  kaimingNormal,
  kaimingUniform,
  ones,
  xavierNormal,
  xavierUniform,
  zeros,
  type Initialiser,
} from './index.ts'

const moments = (init: Initialiser, shape: readonly number[]) => {
  const values = Array.from(initialise(5, 'w', shape, init).numbers())
  const mean = values.reduce((s, v) => s + v, 0) / values.length
  return {
    mean,
    variance: values.reduce((s, v) => s + (v - mean) ** 2, 0) / values.length,
    most: values.reduce((m, v) => Math.max(m, Math.abs(v)), 0),
  }
}

describe('initialisers', () => {
  const shape = [64, 32, 3, 3]

  it('count connections, groups included', () => {
    expect(fans([64, 32, 3, 3])).toEqual({ in: 288, out: 576 })
    expect(fans([64, 1, 3, 3], 64)).toEqual({ in: 9, out: 9 })
    expect(fans([10, 20])).toEqual({ in: 20, out: 10 })
  })

  it.each([
    { name: 'kaiming normal, in', init: kaimingNormal(), variance: 2 / 288 },
    { name: 'kaiming normal, out', init: kaimingNormal({ fan: 'out' }), variance: 2 / 576 },
    { name: 'kaiming uniform', init: kaimingUniform(), variance: 2 / 288 },
    { name: 'xavier normal', init: xavierNormal(), variance: 2 / 864 },
    { name: 'xavier uniform', init: xavierUniform(), variance: 2 / 864 },
  ])('$name has its variance', ({ init, variance }) => {
    const found = moments(init, shape)
    expect(Math.abs(found.mean)).toBeLessThan(4 * Math.sqrt(variance / 18432))
    expect(found.variance / variance).toBeGreaterThan(0.95)
    expect(found.variance / variance).toBeLessThan(1.05)
  })

  it('uniform ones stay inside their bounds', () => {
    expect(moments(kaimingUniform({ gain: 1 }), shape).most).toBeLessThanOrEqual(Math.sqrt(3 / 288))
    expect(moments(xavierUniform(), shape).most).toBeLessThanOrEqual(Math.sqrt(6 / 864))
  })

  it('zeros and ones', () => {
    expect([...initialise(1, 'b', [3], zeros).numbers(), ...initialise(1, 'b', [2], ones).numbers()]).toEqual([0, 0, 0, 1, 1])
  })

  it('depend on seed and name alone', () => {
    const draw = (seed: number, name: string) => initialise(seed, name, [4], kaimingNormal()).numbers().join()
    expect(draw(1, 'a')).toBe(draw(1, 'a'))
    expect(new Set([draw(1, 'a'), draw(2, 'a'), draw(1, 'b')]).size).toBe(3)
  })
})
