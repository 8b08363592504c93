import { describe, expect, it } from 'vitest'
import { philox, random } from './random.ts'

const mean = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0) / values.length
const variance = (values: ArrayLike<number>) => {
  const m = mean(values)
  return Array.from(values).reduce((a, b) => a + (b - m) ** 2, 0) / (values.length - 1)
}
const draws = (n: number, draw: (i: number) => number) => Float64Array.from({ length: n }, (_, i) => draw(i))

describe('philox', () => {
  // Known answers published with the Random123 library for philox4x32, 10 rounds.
  it.each([
    [
      [0, 0, 0, 0, 0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ])('gives the published answer %#', (input, expected) => {
    const out = new Uint32Array(4)
    philox(...(input as [number, number, number, number, number, number]), out)
    expect(Array.from(out)).toEqual(expected)
  })
})

describe('random', () => {
  it('is a pure function of seed, stream and index', () => {
    const forward = draws(64, (i) => random(7, 'a', 3).uint32(i))
    const stream = random(7, 'a', 3)
    const backward = draws(64, (i) => stream.uint32(63 - i)).reverse()
    expect(backward).toEqual(forward)
    expect(draws(64, (i) => random(7).fork('a', 3).uint32(i))).toEqual(forward)
  })

  it('gives other numbers for other names', () => {
    const names = [['ab'], ['a', 'b'], ['b', 'a'], ['1'], [1], ['a\0b'], ['', 'ab'], ['ab', ''], [], [0], ['abc'], [0.5]]
    const first = names.flatMap((name) => [random(1, ...name).uint32(0), random(2, ...name).uint32(0)])
    expect(new Set(first).size).toBe(first.length)
  })

  it('fills arrays with the numbers of the single draws', () => {
    const stream = random(3, 'fill')
    expect(stream.fillUniform(new Float64Array(9), -1, 3)).toEqual(draws(9, (i) => -1 + 4 * stream.uniform(i)))
    const filled = stream.fillNormal(new Float64Array(9), 2, 0.5)
    draws(9, (i) => 2 + 0.5 * stream.normal(i)).forEach((value, i) => expect(filled[i]).toBeCloseTo(value, 12))
  })

  // Each bound is more than five standard errors wide.
  it('has the moments of its distributions', () => {
    const n = 40_000
    const stream = random(11, 'moments')
    const uniform = draws(n, (i) => stream.uniform(i))
    expect(Math.abs(mean(uniform) - 0.5)).toBeLessThan(0.008)
    expect(Math.abs(variance(uniform) - 1 / 12)).toBeLessThan(0.003)
    const normal = draws(n, (i) => stream.normal(i))
    expect(Math.abs(mean(normal))).toBeLessThan(0.026)
    expect(Math.abs(variance(normal) - 1)).toBeLessThan(0.04)
    for (const shape of [0.3, 1, 4.5]) {
      const gamma = draws(n, (i) => stream.gamma(i, shape))
      expect(Math.abs(mean(gamma) - shape)).toBeLessThan(6 * Math.sqrt(shape / n))
      expect(Math.abs(variance(gamma) / shape - 1)).toBeLessThan(0.12)
    }
    const [a, b] = [0.4, 1.5]
    const beta = draws(n, (i) => stream.beta(i, a, b))
    const betaVariance = (a * b) / ((a + b) ** 2 * (a + b + 1))
    expect(Math.abs(mean(beta) - a / (a + b))).toBeLessThan(6 * Math.sqrt(betaVariance / n))
    expect(Math.abs(variance(beta) / betaVariance - 1)).toBeLessThan(0.05)
  })

  it('draws beta numbers in [0, 1] for tiny parameters', () => {
    const stream = random(1, 'tiny')
    for (const value of draws(200, (i) => stream.beta(i, 1e-3, 1e-3))) expect(value >= 0 && value <= 1).toBe(true)
  })

  it('permutes: each order of three about equally often', () => {
    const counts = new Map<string, number>()
    for (let i = 0; i < 6000; i++) {
      const key = random(5, i).permutation(3).join()
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
    expect(counts.size).toBe(6)
    // Chi-square with 5 degrees of freedom: 30 is beyond the 99.998th percentile.
    const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)
    expect(chiSquare).toBeLessThan(30)
  })

  it('draws integers over their whole range', () => {
    const stream = random(9, 'int')
    expect(new Set(draws(500, (i) => stream.int(i, 7)))).toEqual(new Set([0, 1, 2, 3, 4, 5, 6]))
  })
})
