import { describe, expect, it } from 'vitest'
import { random } from '../random.ts'
import { allMetrics, bootstrapInterval, makeMeter, meanValue, proportionValue } from './index.ts'
import { addMoment, emptyMoments } from './support/intervals.ts'

const rows = (values?: number[][]) => values && Float32Array.from(values.flat())

describe.each(allMetrics.map((metric) => [metric.id, metric] as const))('%s', (id, metric) => {
  const batchOf = ({ logits, label, teacherLogits, target, pixelLabel }: (typeof metric.examples)[number]['batch']) => ({
    classes: (logits ?? teacherLogits)![0]!.length,
    ...(logits ? { logits: rows(logits)! } : {}),
    ...(teacherLogits ? { teacherLogits: rows(teacherLogits)! } : {}),
    ...(target ? { target: rows(target)! } : {}),
    ...(label ? { label: Int32Array.from(label) } : {}),
    ...(pixelLabel ? { pixelLabel: Int32Array.from(pixelLabel) } : {}),
  })

  it.each(metric.examples)('gives the value of example %#', ({ batch, options, value }) => {
    const meter = makeMeter([id], { [id]: options ?? {} })
    meter.add(batchOf(batch))
    const result = meter.finish()[id]!
    expect(result.value).toBeCloseTo(value, 6)
    if (result.ci95) {
      expect(result.ci95[0]).toBeLessThanOrEqual(result.value)
      expect(result.ci95[1]).toBeGreaterThanOrEqual(result.value)
    }
  })

  it.each(metric.examples)('does not depend on how example %# is cut into batches', ({ batch, value }) => {
    const meter = makeMeter([id])
    const { classes, ...inputs } = batchOf(batch)
    const count = (batch.logits ?? batch.teacherLogits)!.length
    for (let n = 0; n < count; n++) {
      const of = <T extends Float32Array | Int32Array>(all: T | undefined, width: number) =>
        all?.subarray(n * width, (n + 1) * width) as T
      const { logits, teacherLogits, target, label, pixelLabel } = inputs
      meter.add({
        classes,
        ...(logits ? { logits: of(logits, classes) } : {}),
        ...(teacherLogits ? { teacherLogits: of(teacherLogits, classes) } : {}),
        ...(target ? { target: of(target, classes) } : {}),
        ...(label ? { label: of(label, 1) } : {}),
        ...(pixelLabel ? { pixelLabel: of(pixelLabel, 1) } : {}),
      })
    }
    expect(meter.finish()[id]!.value).toBeCloseTo(value, 6)
  })

  it('is absent, not zero, when an input is missing or nothing was added', () => {
    expect(makeMeter([id]).finish()).toEqual({})
    for (const missing of metric.reads) {
      const meter = makeMeter([id])
      const { [missing]: _, ...rest } = batchOf(metric.examples[0]!.batch)
      meter.add({ ...rest, classes: 2 })
      expect(meter.finish()).toEqual({})
    }
  })
})

describe('makeMeter', () => {
  it('names the known metrics for an unknown one, and the field of a wrong option', () => {
    expect(() => makeMeter(['f1'])).toThrow(/top1.*found 'f1'/)
    expect(() => makeMeter(['ece'], { ece: { bins: 1 } })).toThrow(expect.objectContaining({ where: 'metrics.ece.bins' }))
  })
})

describe('intervals', () => {
  it('gives the Wilson interval', () => {
    // p = 0, n = 10: the upper end is z^2 / (n + z^2). Symmetric for p = 1.
    const z2 = 1.959963984540054 ** 2
    expect(proportionValue({ hits: 0, count: 10 })!.ci95![1]).toBeCloseTo(z2 / (10 + z2), 12)
    expect(proportionValue({ hits: 0, count: 10 })!.ci95![0]).toBe(0)
    expect(proportionValue({ hits: 10, count: 10 })!.ci95![0]).toBeCloseTo(10 / (10 + z2), 12)
    // Published example: 81 of 263 (Newcombe 1998, table I, method 3): 0.2553 to 0.3662.
    const [low, high] = proportionValue({ hits: 81, count: 263 })!.ci95!
    expect(low).toBeCloseTo(0.2553, 4)
    expect(high).toBeCloseTo(0.3662, 4)
  })

  it('gives the normal interval of a mean', () => {
    const moments = emptyMoments()
    for (const v of [1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 4]) addMoment(moments, v)
    const { value, ci95 } = meanValue(moments)!
    expect(value).toBeCloseTo(1e9 + 2.5, 6)
    // Sample variance of 1..4 is 5/3.
    expect(ci95![1] - value).toBeCloseTo((1.959963984540054 * Math.sqrt(5 / 3)) / 2, 6)
  })

  it('covers a mean by bootstrap about as often as it says', () => {
    const stream = random(4, 'coverage')
    const [trials, n] = [200, 50]
    let covered = 0
    for (let trial = 0; trial < trials; trial++) {
      const sample = Float64Array.from({ length: n }, (_, i) => stream.uniform(trial * n + i))
      const mean = (drawn: Int32Array) => drawn.reduce((sum, i) => sum + sample[i]!, 0) / n
      const value = sample.reduce((a, b) => a + b, 0) / n
      const [low, high] = bootstrapInterval(value, n, mean, [0, 1], 200)
      if (low <= 0.5 && 0.5 <= high) covered++
    }
    // 95 % of 200 is 190, with a standard deviation of about 3.
    expect(covered).toBeGreaterThan(176)
    expect(covered).toBeLessThan(200)
  })
})
