import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { deflateRawSync, crc32, gzipSync } from 'node:zlib'
import sharp from 'sharp'
import { afterAll, describe, expect, it } from 'vitest'
import { sharedData } from '../../tests/shared.ts'
import { DataError, OptionError } from '../errors.ts'
import { inspectDataSet, makeSplits, openDataSet } from './index.ts'
import type { ImageBatch, TensorBatch } from './types.ts'

const root = mkdtempSync(join(tmpdir(), 'stillroom-data-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

let made = 0
/** Writes files into a fresh folder and returns it. */
function folder(files: Record<string, Uint8Array | string>): string {
  const path = join(root, String(made++))
  mkdirSync(path)
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true })
    writeFileSync(join(path, name), content)
  }
  return path
}
const bytes = (n: number, from = 0) => Uint8Array.from({ length: n }, (_, i) => (from + i) % 256)
const idx = (dims: number[], body: Uint8Array, type = 8) => {
  const head = Buffer.alloc(4 + 4 * dims.length)
  head.set([0, 0, type, dims.length])
  dims.forEach((d, i) => head.writeUInt32BE(d, 4 + 4 * i))
  return Buffer.concat([head, body])
}
const npy = (descr: string, shape: number[], body: Uint8Array, order = 'False') => {
  const text = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`
  const head = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 0, 0, ...Buffer.from(`${text}\n`)])
  head.writeUInt16LE(text.length + 1, 8)
  return Buffer.concat([head, body])
}
/** A zip archive by the specification: local headers, then the directory, then its end. */
function zip(members: Record<string, Buffer>, deflated = true): Buffer {
  const local: Buffer[] = []
  const directory: Buffer[] = []
  let at = 0
  for (const [name, content] of Object.entries(members)) {
    const packed = deflated ? deflateRawSync(content) : content
    const fields = Buffer.alloc(26)
    fields.writeUInt16LE(deflated ? 8 : 0, 4)
    fields.writeUInt32LE(crc32(content), 10)
    fields.writeUInt32LE(packed.length, 14)
    fields.writeUInt32LE(content.length, 18)
    fields.writeUInt16LE(name.length, 22)
    local.push(Buffer.from('PK\x03\x04'), fields, Buffer.from(name), packed)
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE(at, 10)
    directory.push(Buffer.from('PK\x01\x02\0\0'), fields, tail, Buffer.from(name))
    at += 4 + 26 + name.length + packed.length
  }
  const end = Buffer.alloc(18)
  end.writeUInt16LE(Object.keys(members).length, 6)
  end.writeUInt32LE(Buffer.concat(directory).length, 8)
  end.writeUInt32LE(at, 12)
  return Buffer.concat([...local, ...directory, Buffer.from('PK\x05\x06'), end])
}
const png = (height: number, width: number, channels: 1 | 3, pixels: Uint8Array) =>
  sharp(pixels, { raw: { height, width, channels } })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .png()
    .toBuffer()
const read = async (path: string, index: number[], options = {}) => (await openDataSet(path, options)).read(Int32Array.from(index))

describe('idx', () => {
  const images = idx([5, 2, 3], bytes(30))
  const labels = idx([5], Uint8Array.of(1, 0, 2, 1, 0))

  it.each([
    ['plain', { 'a-images-idx3-ubyte': images, 'a-labels-idx1-ubyte': labels }, 'a-images-idx3-ubyte'],
    [
      'gzipped',
      { 'a-images-idx3-ubyte.gz': gzipSync(images), 'a-labels-idx1-ubyte.gz': gzipSync(labels) },
      'a-images-idx3-ubyte.gz',
    ],
    ['with dots', { 'a-images.idx3-ubyte': images, 'a-labels.idx1-ubyte': labels }, 'a-images.idx3-ubyte'],
    ['of a folder', { 'a-images-idx3-ubyte': images, 'a-labels-idx1-ubyte.gz': gzipSync(labels) }, ''],
  ])('reads files, %s', async (_, files, name) => {
    const path = join(folder(files), name)
    expect(await inspectDataSet(path)).toEqual({
      format: 'idx',
      samples: 5,
      classes: ['0', '1', '2'],
      labelled: true,
      sample: { shape: [2, 3, 1], dtype: 'uint8' },
      splits: {},
      warnings: [],
    })
    const batch = (await read(path, [4, 1])) as ImageBatch
    expect(Array.from(batch.pixels)).toEqual([24, 25, 26, 27, 28, 29, 6, 7, 8, 9, 10, 11])
    expect(Array.from(batch.labels!)).toEqual([0, 0])
  })

  it('makes parts of train and t10k files', async () => {
    const test = idx([2, 2, 3], bytes(12, 100))
    const path = folder({
      't10k-images-idx3-ubyte': test,
      't10k-labels-idx1-ubyte': idx([2], bytes(2)),
      'train-images-idx3-ubyte': images,
      'train-labels-idx1-ubyte': labels,
    })
    const set = await openDataSet(path)
    expect(set.splits).toEqual({ train: [0, 5], test: [5, 7] })
    expect(((await set.read(Int32Array.of(5))) as ImageBatch).pixels[0]).toBe(100)
  })

  it('is the same with labels off, whether the labels file is fine, broken or gone', async () => {
    const name = 'a-images-idx3-ubyte'
    const seen = await Promise.all(
      [labels, Buffer.from('broken'), undefined].map(async (content) => {
        const path = join(folder({ [name]: images, ...(content ? { 'a-labels-idx1-ubyte': content } : {}) }), name)
        const set = await openDataSet(path, { labels: 'off' })
        const parts = makeSplits(set, { seed: 3, share: 0.6 })
        return { hash: await set.contentHash(), parts, labelled: set.labelled, batch: await set.read(parts.train) }
      }),
    )
    expect(seen[0]!.labelled).toBe(false)
    expect(seen[1]).toEqual(seen[0])
    expect(seen[2]).toEqual(seen[0])
  })

  it('reads big-endian floats as tensors', async () => {
    const body = Buffer.alloc(16)
    ;[0.5, -2, 3, 4].forEach((v, i) => body.writeFloatBE(v, 4 * i))
    const batch = (await read(join(folder({ x: idx([2, 2], body, 0x0d) }), 'x'), [1])) as TensorBatch
    expect(batch).toEqual({ kind: 'tensor', count: 1, shape: [2], values: Float32Array.of(3, 4) })
  })

  it.each([
    ['dims that overflow', idx([0xffffffff, 0xffffffff, 0xffffffff], bytes(9)), /announces/],
    ['dims beyond the file', idx([60000, 28, 28], bytes(784)), /announces 47040016 bytes/],
    ['gzipped dims beyond the file', gzipSync(idx([60000, 1000, 1000], bytes(9))), /announces/],
    ['more than announced', idx([2, 2, 2], bytes(9)), /found more/],
    ['a cut gzip file', gzipSync(images).subarray(0, 30), /cannot be unpacked/],
    ['a header cut off', Buffer.from([0, 0, 8, 3, 0, 0]), /within its header/],
    ['no samples', idx([0, 28, 28], bytes(0)), /at least one sample/],
  ])('refuses %s', async (_, content, message) => {
    const path = join(folder({ 'a-images-idx3-ubyte.gz': content }), 'a-images-idx3-ubyte.gz')
    // Looks like gzip by name only when it is: the reader goes by content.
    await expect(openDataSet(path)).rejects.toThrow(message)
    await expect(openDataSet(path)).rejects.toThrow(DataError)
  })

  it('refuses a labels file of another length, and a labels file taken for images', async () => {
    const path = folder({ 'a-images-idx3-ubyte': images, 'a-labels-idx1-ubyte': idx([4], bytes(4)) })
    await expect(openDataSet(path)).rejects.toThrow(/expected 5 labels/)
    await expect(openDataSet(join(path, 'a-labels-idx1-ubyte'))).rejects.toThrow(/is this the labels file/)
  })
})

describe('cifar', () => {
  const record = (labels: number[], value: number) =>
    Buffer.concat([Uint8Array.from(labels), ...[0, 1, 2].map((c) => new Uint8Array(1024).fill(value + c))])

  it('reads CIFAR-10 batches, channels last, with names and parts', async () => {
    const names = ['airplane', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'truck']
    const path = folder({
      'data_batch_2.bin': record([9], 20),
      'data_batch_1.bin': Buffer.concat([record([3], 0), record([4], 10)]),
      'test_batch.bin': record([5], 30),
      'batches.meta.txt': `${names.join('\n')}\n`,
    })
    const set = await openDataSet(path)
    expect(set).toMatchObject({ format: 'cifar-10', length: 4, classes: names, splits: { train: [0, 3], test: [3, 4] } })
    const batch = (await set.read(Int32Array.of(2))) as ImageBatch
    expect(Array.from(batch.pixels.subarray(0, 4))).toEqual([20, 21, 22, 20])
    expect(Array.from(set.labels!)).toEqual([3, 4, 9, 5])
    expect((await openDataSet(path, { labels: 'off' })).labelled).toBe(false)
  })

  it('reads the fine label of CIFAR-100 and refuses broken files', async () => {
    const set = await openDataSet(join(folder({ 'train.bin': record([1, 77], 0) }), 'train.bin'))
    expect(Array.from(set.labels!)).toEqual([77])
    await expect(openDataSet(folder({ 'test_batch.bin': bytes(3000) }))).rejects.toThrow(/whole number/)
    await expect(openDataSet(folder({ 'test_batch.bin': record([10], 0) }))).rejects.toThrow(/from 0 to 9, found 10/)
  })
})

describe('numpy', () => {
  it('reads bytes of rank 3 and 4 as images, channels first or last', async () => {
    const at = (shape: number[]) => join(folder({ 'x.npy': npy('|u1', shape, bytes(shape.reduce((a, b) => a * b))) }), 'x.npy')
    expect((await openDataSet(at([2, 4, 5]))).sample).toEqual({ shape: [4, 5, 1], dtype: 'uint8' })
    expect((await openDataSet(at([2, 4, 5, 3]))).sample).toEqual({ shape: [4, 5, 3], dtype: 'uint8' })
    const planes = at([2, 3, 2, 2])
    expect((await openDataSet(planes)).sample.shape).toEqual([2, 2, 3])
    expect(Array.from(((await read(planes, [0])) as ImageBatch).pixels)).toEqual([0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11])
  })

  it.each([
    ['<f4', Float32Array.of(1.5, -2, 0, 4)],
    ['<f8', Float64Array.of(1.5, -2, 0, 4)],
    ['<i8', BigInt64Array.of(1n, -2n, 0n, 4n)],
    ['<i2', Int16Array.of(1, -2, 0, 4)],
    ['<f2', Uint16Array.of(0x3e00, 0xc000, 0x0001, 0x4400)],
  ])('reads %s as tensors', async (descr, values) => {
    const path = join(folder({ 'x.npy': npy(descr, [2, 2], new Uint8Array(values.buffer)) }), 'x.npy')
    const expected = descr === '<f2' ? [1.5, -2, 2 ** -24, 4] : Array.from(values as ArrayLike<number | bigint>, Number)
    expect(Array.from(((await read(path, [0, 1])) as TensorBatch).values)).toEqual(expected)
  })

  it('reads big-endian and Fortran order', async () => {
    const body = Buffer.alloc(24)
    ;[1, 2, 3, 4, 5, 6].forEach((v, i) => body.writeFloatBE(v, 4 * i))
    const path = join(folder({ 'x.npy': npy('>f4', [2, 3], body, 'True') }), 'x.npy')
    expect(Array.from(((await read(path, [0, 1])) as TensorBatch).values)).toEqual([1, 3, 5, 2, 4, 6])
  })

  const x = npy('|u1', [2, 2, 2], bytes(8))
  it.each([true, false])('reads parts and labels of an NPZ, deflated %s', async (deflated) => {
    const path = join(
      folder({
        'a.npz': zip(
          {
            'x_train.npy': x,
            'y_train.npy': npy('<i8', [2, 1], new Uint8Array(BigInt64Array.of(1n, 2n).buffer)),
            'x_test.npy': npy('|u1', [1, 2, 2], bytes(4, 50)),
            'y_test.npy': npy('|u1', [1], Uint8Array.of(0)),
          },
          deflated,
        ),
      }),
      'a.npz',
    )
    const set = await openDataSet(path)
    expect(set).toMatchObject({ format: 'npz', length: 3, splits: { train: [0, 2], test: [2, 3] }, classes: ['0', '1', '2'] })
    expect(Array.from(set.labels!)).toEqual([1, 2, 0])
    expect(Array.from(((await set.read(Int32Array.of(2))) as ImageBatch).pixels)).toEqual([50, 51, 52, 53])
  })

  it.each([
    ['a huge shape', 'x.npy', npy('|u1', [4294967296, 4294967296, 4294967296], bytes(4)), /needs .* bytes, found 4/],
    ['Python objects', 'x.npy', npy('|O', [2], bytes(9)), /found '\|O'/],
    ['a cut header', 'x.npy', x.subarray(0, 30), /the header ends at byte/],
    ['an archive without samples', 'a.npz', zip({ 'q.npy': x }), /found q/],
    ['a cut archive', 'a.npz', zip({ 'x.npy': x }).subarray(0, 100), /broken/],
    ['a wrong checksum', 'a.npz', flipped(zip({ 'x.npy': x }, false), 60), /checksum|header/],
    [
      'labels that are no classes',
      'a.npz',
      zip({ 'x.npy': x, 'y.npy': npy('<f4', [2], new Uint8Array(Float32Array.of(0.5, 1).buffer)) }),
      /found 0.5/,
    ],
  ])('refuses %s', async (_, name, content, message) => {
    const path = join(folder({ [name]: content }), name)
    await expect(openDataSet(path)).rejects.toThrow(message)
    await expect(openDataSet(path)).rejects.toThrow(DataError)
  })

  it('refuses a member that claims to unpack to far more than it can', async () => {
    const archive = zip({ 'x.npy': x })
    archive.writeUInt32LE(0xfffffff0, archive.indexOf('PK\x01\x02') + 24)
    await expect(openDataSet(join(folder({ 'a.npz': archive }), 'a.npz'))).rejects.toThrow(/cannot unpack to/)
  })
})

function flipped(content: Buffer, at: number): Buffer {
  content[at]! ^= 0xff
  return content
}

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
    await expect(openDataSet(join(root, 'nowhere'))).rejects.toThrow(
      expect.objectContaining({ code: 'data', where: join(root, 'nowhere') }),
    )
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
