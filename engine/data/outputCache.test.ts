import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findOutputCache, writeOutputCache, type OutputCacheKey } from './index.ts'

let root = ''
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), 'stillroom-cache-'))))
afterEach(() => rmSync(root, { recursive: true, force: true }))

const key: OutputCacheKey = {
  teacher: 'abc',
  dataset: 'def',
  preprocess: { scale: 1 },
  indices: Int32Array.of(7, 3, 5),
  outputs: ['logits', 'features'],
}
const dims = { logits: [2], features: [1, 3] }

async function fill(): Promise<void> {
  const writer = await writeOutputCache(root, key, dims)
  await writer.add({ logits: Float32Array.of(1, 2, 3, 4), features: Float32Array.of(1, 2, 3, 4, 5, 6) })
  await writer.add({ logits: Float32Array.of(5, 6), features: Float32Array.of(7, 8, 9) })
  ;(await writer.commit()).close()
}

describe('output cache', () => {
  it('gives rows back by sample index', async () => {
    await fill()
    const cache = (await findOutputCache(root, key))!
    expect(cache.outputs).toEqual([
      { name: 'logits', dims: [2] },
      { name: 'features', dims: [1, 3] },
    ])
    expect(cache.rows('logits', Int32Array.of(5, 7, 5))).toEqual(Float32Array.of(5, 6, 1, 2, 5, 6))
    expect(cache.rows('features', Int32Array.of(3))).toEqual(Float32Array.of(4, 5, 6))
    expect(() => cache.rows('logits', Int32Array.of(4))).toThrow(/sample 4 is not in the output cache/)
    cache.close()
  })

  it('is another cache for another model, data set, preprocessing, output or choice of samples', async () => {
    await fill()
    const others: Partial<OutputCacheKey>[] = [
      { teacher: 'x' },
      { dataset: 'x' },
      { preprocess: { scale: 2 } },
      { outputs: ['logits'] },
      { indices: Int32Array.of(3, 7, 5) },
    ]
    for (const other of others) expect(await findOutputCache(root, { ...key, ...other })).toBeUndefined()
  })

  it('shows nothing before it is complete, and leaves nothing behind when given up', async () => {
    const writer = await writeOutputCache(root, key, dims)
    await writer.add({ logits: Float32Array.of(1, 2), features: Float32Array.of(1, 2, 3) })
    expect(await findOutputCache(root, key)).toBeUndefined()
    await expect(writer.commit()).rejects.toThrow(/expected 3 cached samples, found 1/)
    await writer.abort()
    expect(readdirSync(root)).toEqual([])
  })

  it('replaces a damaged cache', async () => {
    await fill()
    const [folder] = readdirSync(root)
    truncateSync(join(root, folder!, '0.f32'), 4)
    expect(await findOutputCache(root, key)).toBeUndefined()
    await fill()
    writeFileSync(join(root, folder!, 'header.json'), '{')
    expect(await findOutputCache(root, key)).toBeUndefined()
    await fill()
    // Written a second time over a good one: the same answer, no leftovers.
    await fill()
    expect(readdirSync(root)).toHaveLength(1)
    const cache = (await findOutputCache(root, key))!
    expect(cache.rows('logits', Int32Array.of(7))).toEqual(Float32Array.of(1, 2))
    cache.close()
  })
})
