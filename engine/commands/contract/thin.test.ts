import { describe, expect, it } from 'vitest'
import { thin } from './index.ts'

describe('thin', () => {
  it('leaves short curves alone', () => expect(thin([3, 1, 2], 4)).toEqual([0, 1, 2]))

  it('keeps both ends and every extreme, in order and within the bound', () => {
    const values = Float64Array.from({ length: 100_000 }, (_, i) => Math.sin(i / 777))
    values[12_345] = 50
    values[77_777] = -50
    const kept = thin(values, 2000)
    expect(kept.length).toBeLessThanOrEqual(2000)
    expect(kept[0]).toBe(0)
    expect(kept.at(-1)).toBe(99_999)
    expect(kept).toEqual([...new Set(kept)].sort((a, b) => a - b))
    expect(kept).toContain(12_345)
    expect(kept).toContain(77_777)
  })

  it('is not led astray by what is no number', () => {
    const values = Array.from({ length: 100 }, (_, i) => (i % 3 === 0 ? null : i === 50 ? NaN : i))
    const kept = thin(values, 8)
    // The lowest and highest numbers of each half, beside its ends.
    expect(kept).toEqual([0, 1, 49, 50, 52, 98, 99])
  })
})
