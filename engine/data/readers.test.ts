import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { sharedData } from '../../tests/shared.ts'
import { scratchFolders } from '../../tests/scratch.ts'
import { OptionError } from '../errors.ts'
import { inspectDataSet, makeSplits, openDataSet } from './index.ts'
import type { ImageBatch } from './types.ts'

const folder = scratchFolders()
const png = (height: number, width: number, channels: 1 | 3, pixels: Uint8Array) =>
  sharp(pixels, { raw: { height, width, channels } })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .png()
    .toBuffer()
const read = async (path: string, index: number[], options = {}) => (await openDataSet(path, options)).read(Int32Array.from(index))

describe('image folder', () => {
  const gray = (value: number) => png(2, 3, 1, new Uint8Array(6).fill(value))
  const red = png(2, 2, 3, Uint8Array.from([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9]))

  it('takes a folder for a class, sorted by name, and parts from train and test', async () => {
    const path = folder({
      'set/train/b/1.png': await gray(1),
      'set/train/a/2.png': await gray(2),
      'set/train/a/1.png': await gray(3),
      'set/test/b/x.png': await gray(4),
      'set/.DS_Store': 'x',
    })
    const set = await openDataSet(path)
    expect(set).toMatchObject({ format: 'image-folder', length: 4, classes: ['a', 'b'], splits: { train: [0, 3], test: [3, 4] } })
    expect(set.sample).toEqual({ shape: [2, 3, 1], dtype: 'uint8' })
    const batch = (await set.read(Int32Array.of(0, 1, 2, 3))) as ImageBatch
    expect([0, 6, 12, 18].map((at) => batch.pixels[at])).toEqual([3, 2, 1, 4])
    expect(Array.from(batch.labels!)).toEqual([0, 0, 1, 1])
  })

  it('reads a flat folder as unlabelled, and gray beside colour as colour', async () => {
    const set = await openDataSet(folder({ '1.png': await red, '2.png': await gray(7), 'notes.txt': 'x' }))
    expect(set).toMatchObject({ labelled: false, length: 2, sample: { shape: [2, 0, 3] } })
    const batch = await set.read(Int32Array.of(0, 1))
    expect(batch.kind === 'images' && batch.images.map((image) => [image.width, ...image.pixels.subarray(0, 6)])).toEqual([
      [2, 255, 0, 0, 0, 255, 0],
      [3, 7, 7, 7, 7, 7, 7],
    ])
  })

  it('reads JPEG, WebP, GIF and BMP of one plain colour', async () => {
    const plain = sharp({ create: { width: 8, height: 8, channels: 3, background: { r: 200, g: 100, b: 50 } } })
    // 24-bit BMP written by its definition: header, then blue, green, red.
    const bmp = Buffer.alloc(54 + 8 * 24)
    bmp.write('BM')
    bmp.writeUInt32LE(54, 10)
    bmp.writeUInt32LE(40, 14)
    bmp.writeInt32LE(8, 18)
    bmp.writeInt32LE(8, 22)
    bmp.writeUInt16LE(24, 28)
    for (let i = 54; i < bmp.length; i += 3) bmp.set([50, 100, 200], i)
    const set = await openDataSet(
      folder({
        'a.jpg': await plain.clone().jpeg({ quality: 100 }).toBuffer(),
        'b.webp': await plain.clone().webp({ lossless: true }).toBuffer(),
        'c.gif': await plain.clone().gif().toBuffer(),
        'd.bmp': bmp,
      }),
    )
    const batch = (await set.read(Int32Array.of(0, 1, 2, 3))) as ImageBatch
    expect(batch.shape).toEqual([8, 8, 3])
    for (let i = 0; i < batch.pixels.length; i++) expect(Math.abs(batch.pixels[i]! - [200, 100, 50][i % 3]!)).toBeLessThan(4)
  })

  it('names a corrupt image, or skips and counts it', async () => {
    const good = await red
    const files = {
      'train/a/1.png': good,
      'train/a/2.png': good.subarray(0, good.length - 20),
      'train/b/1.png': good,
      'test/a/1.png': good,
    }
    const path = folder(files)
    await expect(read(path, [1])).rejects.toThrow(
      expect.objectContaining({ where: expect.stringContaining(join('a', '2.png')) as string }),
    )
    const set = await openDataSet(path, { corrupt: 'skip' })
    expect(set).toMatchObject({ length: 3, splits: { train: [0, 2], test: [2, 3] } })
    expect(set.warnings.join()).toMatch(/^1 unreadable images were skipped: .*2\.png/)
    expect(Array.from(set.labels!)).toEqual([0, 1, 0])
  })

  it.each([
    ['an empty folder', {}, /an empty folder/],
    ['a folder of other files', { 'a.txt': 'x' }, /without any of them/],
    ['a class without images', { 'a/1.png': 'x', 'b/c.txt': 'x' }, /class folder has no images/],
    ['images beside class folders', { '1.png': 'x', 'a/1.png': 'x' }, /1 images beside 1 folders/],
    ['unreadable images alone', { 'a.png': 'x', 'b.png': 'y' }, /none of 2 image files/],
  ])('refuses %s', async (_, files, message) => {
    await expect(openDataSet(folder(files as Record<string, string>))).rejects.toThrow(message)
  })

  it('has a hash of its pictures alone', async () => {
    const [a, b] = [await gray(1), await gray(2)]
    const hash = async (files: Record<string, Buffer>) => (await openDataSet(folder(files))).contentHash()
    expect(await hash({ 'x/1.png': a, 'y/1.png': b })).toBe(await hash({ '1.png': a, '2.png': b }))
    expect(await hash({ '1.png': b, '2.png': a })).not.toBe(await hash({ '1.png': a, '2.png': b }))
  })
})

describe('builtin', () => {
  it('draws each picture from seed, part and number alone', async () => {
    const all = async (spec: string, index: number[]) => Array.from(((await read(spec, index)) as ImageBatch).pixels)
    const spec = 'builtin:glyphs?samples=20&size=16'
    expect(await all(spec, [3])).toEqual((await all(spec, [1, 3])).slice(256))
    expect(await all('builtin:glyphs?samples=40&size=16', [3])).toEqual(await all(spec, [3]))
    // The test part starts at 16 and at 32.
    expect(await all('builtin:glyphs?samples=40&size=16', [33])).toEqual(await all(spec, [17]))
    expect(await all(`${spec}&seed=2`, [3])).not.toEqual(await all(spec, [3]))
    expect(await all(spec, [0])).not.toEqual(await all(spec, [16]))
  })

  it.each(['builtin:glyphs?samples=720&classes=36', 'builtin:shapes?samples=200&classes=10'])(
    'gives each class its share: %s',
    async (spec) => {
      const set = await openDataSet(spec)
      const [start, end] = set.splits!.train
      const counts = new Array<number>(set.classes!.length).fill(0)
      for (const label of set.labels!.subarray(start, end)) counts[label]!++
      expect(new Set(counts).size).toBe(1)
      expect((await openDataSet(spec, { labels: 'off' })).labelled).toBe(false)
    },
  )

  // Nearest class mean: far above chance on clean print, worse on hard print.
  it('grows harder with difficulty', async () => {
    const accuracy = async (difficulty: number) => {
      const set = await openDataSet(`builtin:glyphs?samples=900&size=16&difficulty=${difficulty}`)
      const { train, test } = makeSplits(set, { seed: 1, validationShare: 0 })
      const [a, b] = [(await set.read(train)) as ImageBatch, (await set.read(test)) as ImageBatch]
      const means = Array.from({ length: 10 }, () => new Float64Array(256))
      train.forEach((_, n) => means[a.labels![n]!]!.forEach((_v, i, m) => (m[i]! += a.pixels[n * 256 + i]!)))
      const counts = means.map((_, k) => a.labels!.filter((l) => l === k).length)
      const nearest = (n: number) => {
        const distance = means.map((m, k) => m.reduce((sum, v, i) => sum + (v / counts[k]! - b.pixels[n * 256 + i]!) ** 2, 0))
        return distance.indexOf(Math.min(...distance))
      }
      return test.filter((_, n) => nearest(n) === b.labels![n]).length / test.length
    }
    const [easy, medium, hard] = [await accuracy(0), await accuracy(0.5), await accuracy(1)]
    expect(easy).toBeGreaterThan(0.97)
    expect(medium).toBeLessThan(easy)
    expect(hard).toBeLessThan(medium)
    expect(hard).toBeGreaterThan(0.1)
  })

  it.each([
    ['builtin:glyphs?colour=red', /colour/],
    ['builtin:glyphs?size=8', /12/],
    ['builtin:letters', /glyphs or shapes, found 'letters'/],
    ['builtin:shapes?channels=2', /1 or 3/],
  ])('refuses %s', async (spec, message) => {
    await expect(openDataSet(spec)).rejects.toThrow(message)
    await expect(openDataSet(spec)).rejects.toThrow(OptionError)
  })
})

describe('openDataSet', () => {
  it('says that nothing is there', async () => {
    const nowhere = join(folder({}), 'nowhere')
    await expect(openDataSet(nowhere)).rejects.toThrow(expect.objectContaining({ code: 'data', where: nowhere }))
    await expect(openDataSet(join(folder({ x: 'hello' }), 'x'))).rejects.toThrow(/another file/)
  })

  const mnist = sharedData('t10k-images-idx3-ubyte.gz')
  it.skipIf(!mnist)('opens the MNIST test set', async () => {
    const set = await openDataSet(mnist!)
    expect(set).toMatchObject({ format: 'idx', length: 10_000, labelled: true, sample: { shape: [28, 28, 1] } })
    // The first labels as published, and the pixel sum that gives the well-known mean of the test set, 0.1325.
    expect(Array.from(set.labels!.subarray(0, 5))).toEqual([7, 2, 1, 0, 4])
    const { pixels } = (await set.read(Int32Array.from({ length: 10_000 }, (_, i) => i))) as ImageBatch
    expect(pixels.reduce((a, b) => a + b, 0) / pixels.length / 255).toBeCloseTo(0.1325, 4)
  })

  const cifar = sharedData('cifar10-12k')
  it.skipIf(!cifar)('opens the CIFAR-10 image folder', async () => {
    expect(await inspectDataSet(cifar!)).toMatchObject({
      samples: 12_000,
      splits: { train: 10_000, test: 2000 },
      sample: { shape: [32, 32, 3] },
    })
  })
})
