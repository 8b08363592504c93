import { describe, expect, it } from 'vitest'
import { TensorData } from '../../ir/index.ts'
import { random } from '../../random.ts'
import { createSession, Value } from '../../session/index.ts'
import { makeGraph, makeModel, makeNode, tensorType } from '../../ir/index.ts'
import { Histogram } from '../histogram.ts'
import { asymmetric, clampTo, roundEven, type Grid } from '../scheme.ts'
import { quantizeBias, quantizeWeight } from '../weights.ts'
import entropy from './entropy.ts'
import minmax from './minmax.ts'
import mse, { squaredError } from './mse.ts'
import movingAverage from './moving-average.ts'
import percentile from './percentile.ts'

const byte: Grid = { dtype: 'uint8', low: 0, high: 255 }
const signed: Grid = { dtype: 'int8', low: -127, high: 127 }
const draw = random(11, 'calibrators')
const gaussian = Float32Array.from({ length: 50000 }, (_, i) => draw.normal(i))

const seenOf = (...parts: ArrayLike<number>[]): Histogram => {
  const seen = new Histogram()
  for (const part of parts) seen.add(part)
  return seen
}

describe('moving average', () => {
  it('moves a tenth of the way to each batch', () => {
    const seen = seenOf([-1, 2], [-3, 4], [-1, 100])
    const follow = (values: readonly number[]) => values.reduce((old, now) => 0.9 * old + 0.1 * now)
    const [low, high] = movingAverage.range(seen, byte)
    expect(low).toBeCloseTo(follow([-1, -3, -1]), 12)
    expect(high).toBeCloseTo(follow([2, 4, 100]), 12)
  })
})

describe('histogram', () => {
  it('counts every number once, in the right bin, whatever the order of growth', () => {
    const values = Array.from(gaussian, (v, i) => (i % 5 === 0 ? 0 : v * 10 ** (i / 10000)))
    const seen = seenOf([0, 0], values.slice(0, 10), values.slice(10, 30000), values.slice(30000), [NaN, Infinity])
    expect([seen.total, seen.zeros, seen.invalid]).toEqual([50002, 10002, 2])
    expect([seen.min, seen.max]).toEqual([Math.min(...values), Math.max(...values)])
    expect(seen.counts.reduce((a, b) => a + b, 0)).toBe(40000)
    // Against sorting: no number may lie further from its bin than one width.
    const sorted = values.filter((v) => v !== 0).sort((a, b) => a - b)
    let at = 0
    let worst = 0
    seen.counts.forEach((count, bin) => {
      for (let k = 0; k < count; k++) worst = Math.max(worst, Math.abs(sorted[at++]! - seen.centre(bin)))
    })
    expect(worst).toBeLessThanOrEqual(seen.width)
  })

  it('merges', () => {
    const both = seenOf(gaussian.subarray(0, 20000))
    both.merge(seenOf(gaussian.subarray(20000).map((v) => v * 7)))
    expect(both.counts.reduce((a, b) => a + b, 0)).toBe(50000)
    expect(both.max).toBe(
      Math.max(
        gaussian.subarray(0, 20000).reduce((m, v) => Math.max(m, v)),
        gaussian
          .subarray(20000)
          .map((v) => v * 7)
          .reduce((m, v) => Math.max(m, v)),
      ),
    )
  })
})

describe('ranges', () => {
  it('minmax takes all', () => {
    expect(minmax.range(seenOf([-1, 5, 0.5]), byte)).toEqual([-1, 5])
  })

  it('percentile cuts half of 0.01 % on each side', () => {
    const uniform = Float32Array.from({ length: 1_000_000 }, (_, i) => -1 + (i + 0.5) / 250_000)
    const seen = seenOf(uniform)
    const [low, high] = percentile.range(seen, byte)
    // As exact as a bin is wide.
    expect(Math.abs(low - (-1 + 4 * 0.00005))).toBeLessThan(seen.width)
    expect(Math.abs(high - (3 - 4 * 0.00005))).toBeLessThan(seen.width)
    expect(percentile.range(seenOf(uniform, [1000]), byte)[1]).toBeLessThan(4)
  })

  it('mse finds the range with the least error', () => {
    const seen = seenOf(gaussian, [200])
    const [low, high] = mse.range(seen, byte)
    // Measured on the numbers themselves.
    const error = (range: readonly [number, number]) => {
      const q = asymmetric(range, byte)
      return gaussian.reduce(
        (sum, v) => sum + (v - (clampTo(byte, v / q.scale + q.zero) - q.zero) * q.scale) ** 2,
        (200 - Math.min(200, range[1])) ** 2,
      )
    }
    for (const [a, b] of [
      [low * 1.5, high],
      [low * 0.5, high],
      [low, high * 1.5],
      [low, high * 0.5],
      [seen.min, seen.max],
    ] as const)
      expect(error([low, high])).toBeLessThanOrEqual(error([a, b]))
    expect(squaredError(seen, byte, [low, high])).toBeLessThanOrEqual(squaredError(seen, byte, [seen.min, seen.max]))
  })

  it('entropy drops a lone outlier and keeps a full range', () => {
    const [low, high] = entropy.range(seenOf(gaussian, [60]), byte)
    expect(high).toBeLessThan(15)
    expect(high).toBeGreaterThan(2.5)
    expect(low).toBeLessThan(-2.5)
    const uniform = Float32Array.from({ length: 50000 }, (_, i) => i / 50000)
    expect(entropy.range(seenOf(uniform), byte)[1]).toBeGreaterThan(0.98)
  })
})

describe('integers', () => {
  it('represent 0 exactly and cover the range', () => {
    for (const range of [
      [-1, 3],
      [0.5, 2],
      [-4, -1],
      [0, 0],
    ] as const) {
      const { scale, zero } = asymmetric(range, byte)
      expect(Number.isInteger(zero)).toBe(true)
      expect((0 - zero) * scale).toBeLessThanOrEqual(Math.min(0, range[0]) + scale / 2)
      expect((255 - zero) * scale).toBeGreaterThanOrEqual(Math.max(0, range[1]) - scale / 2)
    }
  })

  it('round as QuantizeLinear does', async () => {
    const values = [-3, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49999, 300, -300]
    const graph = makeGraph('q')
    graph.inputs = [{ name: 'x', type: tensorType('float32', [values.length]) }]
    graph.outputs = [{ name: 'y', type: tensorType('int8', [values.length]) }]
    graph.initializers = new Map([
      ['s', TensorData.scalar('float32', 1)],
      ['z', TensorData.scalar('int8', 3)],
    ])
    graph.nodes = [makeNode('QuantizeLinear', ['x', 's', 'z'], ['y'])]
    const session = await createSession(makeModel(graph, 17), { threads: 1 })
    const y = (await session.run({ x: Value.from('float32', [values.length], values) })).y!
    expect(Array.from(y.numbers())).toEqual(values.map((v) => clampTo({ low: -128, high: 127 }, roundEven(v) + 3)))
  })

  it('store a weight by hand-made scales', () => {
    const weight = TensorData.from('float32', [2, 3], [1.27, -0.5, 0.01, 0, 2.54, -2.54])
    const byRow = quantizeWeight(weight, 0, signed)
    expect([...byRow.values.data]).toEqual([127, -50, 1, 0, 127, -127])
    expect(byRow.scale.numbers()[0]).toBeCloseTo(0.01, 7)
    expect(byRow.scale.numbers()[1]).toBeCloseTo(0.02, 7)
    const whole = quantizeWeight(weight, undefined, signed)
    // 1.27 / 0.02 = 63.5 and -0.5 / 0.02 = -25
    expect([63, 64]).toContain(whole.values.data[0])
    expect([...whole.values.data].slice(1)).toEqual([-25, 0, 0, 127, -127])
    const byColumn = quantizeWeight(weight, 1, signed)
    expect([...byColumn.values.data]).toEqual([127, -25, 0, 0, 127, -127])
    const unsigned = quantizeWeight(weight, 0, { dtype: 'uint8', low: 1, high: 255 })
    expect([...unsigned.values.data]).toEqual([255, 78, 129, 128, 255, 1])
    expect([...unsigned.zero.data]).toEqual([128, 128])
  })

  it('store a bias in steps of input scale times weight scale', () => {
    const { values, scale } = quantizeBias(
      TensorData.from('float32', [2], [1, -0.3]),
      2,
      0.5,
      TensorData.from('float32', [2], [0.01, 0.02]),
    )
    expect([...values.data]).toEqual([200, -30])
    expect(scale.numbers()[1]).toBeCloseTo(0.01, 7)
  })
})
