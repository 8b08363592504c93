import { describe, expect, it } from 'vitest'
import { TensorData } from '../ir/index.ts'
import { codedBytes, huffmanBits, quantilePoints, uniformPoints } from './levels.ts'

const weight = (values: readonly number[]) => TensorData.from('float32', [values.length], values)

describe('levels of weights', () => {
  it('are coded as Huffman would, with two ends for each bucket', () => {
    // Code lengths 2, 2 and 1; 3, 3, 2 and 1; one letter takes a bit each time.
    expect(huffmanBits([1, 1, 2])).toBe(2 + 2 + 2)
    expect(huffmanBits([1, 2, 4, 8])).toBe(3 + 6 + 8 + 8)
    expect(huffmanBits([5])).toBe(5)
    // Two buckets on four levels: 0 four times, 1 and 2 and 3 once and three times.
    const w = weight([0, 0, 1, 3, 10, 10, 12, 13])
    expect(codedBytes(w, 2, 4)).toBe((huffmanBits([4, 1, 1, 2]) + 2 * 64) / 8)
  })

  it('begin equally far apart, or with as many weights to each', () => {
    expect([...uniformPoints(2).numbers()]).toEqual([0, 1 / 3, 2 / 3, 1].map(Math.fround))
    // In [0, 1] over 100 weights 0, 1, …, 99: the middles of four quarters.
    const w = weight(Array.from({ length: 100 }, (_, i) => i))
    expect([...quantilePoints(w, 2, 0).numbers()]).toEqual([12, 37, 62, 87].map((i) => Math.fround(i / 99)))
  })
})
