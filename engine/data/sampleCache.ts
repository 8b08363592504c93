/** Decoded, prepared samples in memory: all of them when they fit the budget, else the ones used last. */
import type { FrontEnd } from './front/frontEnd.ts'
import type { DataSet } from './types.ts'

/** Default memory for decoded samples. */
export const CACHE_BYTES = 512 * 2 ** 20

export interface SampleCache {
  /** Numbers in one sample. */
  size: number
  shape: readonly number[]
  /** Samples one after the other: bytes for images (RGB, channels innermost), floats for everything else. */
  gather(indices: Int32Array): Promise<Uint8Array | Float32Array> | Uint8Array | Float32Array
}

/** What the first half of a front end makes of samples. */
export function sampleCache(set: DataSet, front: FrontEnd, budget = CACHE_BYTES): SampleCache {
  const { shape, bytes } = front.kept
  const size = shape.reduce((n, d) => n * d, 1)
  const read = async (indices: Int32Array) => front.first(await set.read(indices))
  return { size, shape, gather: rowCache(set.length, size, bytes, read, budget) }
}

/** Rows of `size` numbers, kept as they are asked for. A row is the same whenever it is read. */
export function rowCache(length: number, size: number, bytes: boolean, read: Read, budget = CACHE_BYTES): SampleCache['gather'] {
  const make = (count: number) => (bytes ? new Uint8Array(count * size) : new Float32Array(count * size))
  const slots = Math.floor(budget / (size * (bytes ? 1 : 4)))
  return slots >= length ? keepAll(length, size, make, read) : keepRecent(slots, size, make, read)
}

type Make = (count: number) => Uint8Array | Float32Array
type Read = (indices: Int32Array) => Promise<Uint8Array | Float32Array>

function keepAll(length: number, size: number, make: Make, read: Read): SampleCache['gather'] {
  const known = new Uint8Array(length)
  let store: Uint8Array | Float32Array | undefined
  const collect = (indices: Int32Array) => {
    const out = make(indices.length)
    for (let i = 0; i < indices.length; i++) out.set(store!.subarray(indices[i]! * size, (indices[i]! + 1) * size), i * size)
    return out
  }
  return (indices) => {
    store ??= make(length)
    // Answers without a promise once everything is known: this is the path of every step but the first epoch's.
    if (indices.every((index) => known[index] === 1)) return collect(indices)
    const missing = indices.filter((index) => known[index] === 0)
    return read(missing).then((samples) => {
      for (let i = 0; i < missing.length; i++) {
        store!.set(samples.subarray(i * size, (i + 1) * size), missing[i]! * size)
        known[missing[i]!] = 1
      }
      return collect(indices)
    })
  }
}

function keepRecent(slots: number, size: number, make: Make, read: Read): SampleCache['gather'] {
  // A Map iterates in the order of insertion, so re-inserting on use keeps the least recently used sample first.
  const kept = new Map<number, Uint8Array | Float32Array>()
  return async (indices) => {
    const missing = indices.filter((index) => !kept.has(index))
    const samples = missing.length > 0 ? await read(missing) : make(0)
    const fresh = new Map(Array.from(missing, (index, i) => [index, samples.subarray(i * size, (i + 1) * size)] as const))
    const out = make(indices.length)
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i]!
      const sample = fresh.get(index) ?? kept.get(index)!
      out.set(sample, i * size)
      kept.delete(index)
      // A copy: a view would keep the whole batch it was read with in memory.
      kept.set(index, fresh.has(index) ? sample.slice() : sample)
    }
    for (const index of kept.keys()) {
      if (kept.size <= slots) break
      kept.delete(index)
    }
    return out
  }
}
