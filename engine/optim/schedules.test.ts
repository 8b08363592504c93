import { describe, expect, it } from 'vitest'
import { findSchedule, parseOptions, rateAt, schedules } from './index.ts'

const rates = (id: string, options: object, steps: readonly number[], total: number, warmup = 0): number[] => {
  const schedule = findSchedule(id)
  const o = parseOptions(schedule, options)
  return steps.map((step) => rateAt(schedule, o, step, total, warmup))
}
const close = (found: number[], expected: number[]) => found.forEach((v, i) => expect(v).toBeCloseTo(expected[i]!, 12))

describe('schedules', () => {
  it('constant', () => expect(rates('constant', {}, [0, 50, 99], 100)).toEqual([1, 1, 1]))

  it('cosine', () => {
    close(rates('cosine', {}, [0, 25, 50, 100], 100), [1, 0.5 + Math.SQRT1_2 / 2, 0.5, 0])
    close(rates('cosine', { floor: 0.2 }, [50, 100], 100), [0.6, 0.2])
  })

  it('step', () => close(rates('step', {}, [0, 49, 50, 74, 75, 99], 100), [1, 1, 0.1, 0.1, 0.01, 0.01]))

  it('one-cycle rises to the peak and ends far below its start', () => {
    // Peak at step 0.3 * 100 - 1 = 29; halfway up (step 14.5) the cosine is at its middle.
    const half = (1 / 25 + 1) / 2
    close(rates('one-cycle', {}, [0, 14.5, 29, 99], 100), [1 / 25, half, 1, 1 / 25e4])
    close(rates('one-cycle', {}, [64], 100), [(1 + 1 / 25e4) / 2])
  })

  it('warms up linearly to the first rate, then runs over the rest', () => {
    close(rates('constant', {}, [0, 1, 2, 3, 4], 10, 3), [0.25, 0.5, 0.75, 1, 1])
    close(rates('cosine', {}, [10, 60, 110], 110, 10), [1, 0.5, 0])
  })

  it.each(schedules.map(({ id }) => id))('%s stays in [0, 1] for any length', (id) => {
    for (const total of [1, 2, 3, 10, 37])
      for (const warmup of [0, 1, total])
        for (let step = 0; step < total; step++) {
          const [rate] = rates(id, {}, [step], total, warmup)
          expect(rate).toBeGreaterThanOrEqual(0)
          expect(rate).toBeLessThanOrEqual(1)
        }
  })
})
