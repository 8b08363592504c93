import { join } from 'node:path'
import { crc32, deflateRawSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { scratchFolders } from '../../tests/scratch.ts'
import { sharedData } from '../../tests/shared.ts'
import { DataError } from '../errors.ts'
import { inspectDataSet, makeBatcher, makeSplits, openDataSet } from './index.ts'
import type { ImageBatch, MapTarget, TensorBatch } from './types.ts'

const folder = scratchFolders()
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
      kind: 'image',
      target: 'class',
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

  const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer)
  const archive = (members: Record<string, Buffer>) => openDataSet(join(folder({ 'a.npz': zip(members) }), 'a.npz'))

  it('reads numbers to predict, one-hot classes and maps', async () => {
    const values = await archive({ 'x.npy': x, 'y.npy': npy('<f4', [2, 2], floats(0.5, 1, 2, 3)) })
    expect(values).toMatchObject({
      labelled: true,
      target: { kind: 'values', names: ['y0', 'y1'], values: Float32Array.of(0.5, 1, 2, 3) },
    })
    const hot = await archive({ 'x.npy': x, 'y.npy': npy('<f4', [2, 3], floats(0, 0, 1, 1, 0, 0)) })
    expect(Array.from(hot.labels!)).toEqual([2, 0])
    const maps = await archive({ 'x.npy': x, 'y.npy': npy('|u1', [2, 2, 2], Uint8Array.of(0, 1, 2, 255, 0, 0, 1, 1)) })
    expect(maps).toMatchObject({ labelled: true, classes: ['0', '1', '2'] })
    const whole = (height: number, width: number) => ({ top: 0, left: 0, height, width })
    const target = maps.target as MapTarget
    expect(Array.from(await target.read(Int32Array.of(0), [2, 2], whole))).toEqual([0, 1, 2, -1])
    // Twice the size repeats each pixel.
    expect(Array.from(await target.read(Int32Array.of(0), [2, 4], whole))).toEqual([0, 0, 1, 1, 2, 2, -1, -1])
  })

  it('reads the inputs of a model that has several, and those that all samples share', async () => {
    const set = await archive({
      'ids.npy': npy('<f4', [3, 2], floats(1, 2, 3, 4, 5, 6)),
      'mask.npy': npy('<f4', [3, 1], floats(7, 8, 9)),
      'rate.npy': npy('<f4', [], floats(8000)),
      'y.npy': npy('|u1', [3], Uint8Array.of(0, 1, 1)),
    })
    expect(set).toMatchObject({
      length: 3,
      parts: [
        { name: 'ids', shape: [2] },
        { name: 'mask', shape: [1] },
      ],
    })
    const batch = await makeBatcher({ dataset: set, indices: Int32Array.of(2, 2), batch: 2, seed: 1 }).at(0)
    expect(batch.inputs).toEqual([
      { name: 'ids', shape: [2, 2], values: Float32Array.of(5, 6, 5, 6) },
      { name: 'mask', shape: [2, 1], values: Float32Array.of(9, 9) },
      { name: 'rate', shape: [], values: Float32Array.of(8000) },
    ])
  })

  it.each([
    ['a huge shape', 'x.npy', npy('|u1', [4294967296, 4294967296, 4294967296], bytes(4)), /needs .* bytes, found 4/],
    ['Python objects', 'x.npy', npy('|O', [2], bytes(9)), /found '\|O'/],
    ['a cut header', 'x.npy', x.subarray(0, 30), /the header ends at byte/],
    ['an archive without samples', 'a.npz', zip({ 'q.npy': x }), /found q/],
    ['a cut archive', 'a.npz', zip({ 'x.npy': x }).subarray(0, 100), /broken/],
    ['a wrong checksum', 'a.npz', flipped(zip({ 'x.npy': x }, false), 60), /checksum|header/],
    [
      'targets that are no numbers',
      'a.npz',
      zip({ 'x.npy': x, 'y.npy': npy('<f4', [2], new Uint8Array(Float32Array.of(0.5, NaN).buffer)) }),
      /target 1 is no number/,
    ],
    [
      'targets of another length',
      'a.npz',
      zip({ 'x.npy': x, 'y.npy': npy('<f4', [3], new Uint8Array(Float32Array.of(0.5, 1, 2).buffer)) }),
      /a target for each of 2 samples, found shape \[3\]/,
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

describe('graphs', () => {
  const ints = (dims: number[], ...values: number[]) =>
    npy('<i8', dims, new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer))
  const floats = (dims: number[], ...values: number[]) => npy('<f4', dims, new Uint8Array(Float32Array.from(values).buffer))
  const graph = (members: Record<string, Buffer>) => openDataSet(join(folder({ 'g.npz': zip(members) }), 'g.npz'))
  const plain = {
    'x.npy': floats([4, 2], 1, 3, 0, 0, 2, 2, 0, 5),
    'edge_index.npy': ints([2, 3], 0, 1, 3, 1, 0, 3),
    'y.npy': ints([4], 0, 1, 1, 0),
  }
  const masks = {
    'train_mask.npy': npy('|b1', [4], Uint8Array.of(0, 1, 0, 1)),
    'test_mask.npy': npy('|b1', [4], Uint8Array.of(1, 0, 0, 0)),
  }

  it('have each edge both ways and once, no loops, and parts from masks', async () => {
    const set = await graph({ ...plain, ...masks })
    expect(set).toMatchObject({ kind: 'graph', length: 4, classes: ['0', '1'], splits: { train: [0, 2], test: [2, 3] } })
    // Nodes 1, 3 (training), 0 (test), 2: the edge 0-1 is 2-0 now.
    expect(set.shared).toEqual([{ name: 'edge_index', shape: [2, 2], values: Float32Array.of(0, 2, 2, 0) }])
    expect(Array.from(set.labels!)).toEqual([1, 0, 0, 1])
  })

  it('are one batch in which only the asked nodes have a target', async () => {
    const set = await graph({ ...plain, ...masks })
    const batcher = makeBatcher({
      dataset: set,
      indices: Int32Array.of(0, 1),
      batch: 64,
      seed: 1,
      preprocess: { kind: 'graph', features: 'row-sum' },
    })
    expect(batcher).toMatchObject({ batch: 4, stepsPerEpoch: 1, target: [4, 2] })
    const batch = await batcher.at(7)
    expect(Array.from(batch.x)).toEqual([0, 0, 0, 1, 0.25, 0.75, 0.5, 0.5])
    expect(Array.from(batch.y!)).toEqual([0, 1, 1, 0, 0, 0, 0, 0])
  })

  it('in the Planetoid form leave nodes without a class unlabelled', async () => {
    const sparse = (name: string, rows: number[][]) => {
      const at = rows.map((row) => row.flatMap((v, c) => (v ? [c] : [])))
      const starts = at.reduce((all, cells) => [...all, all.at(-1)! + cells.length], [0])
      const values = rows.flatMap((row) => row.filter((v) => v))
      return {
        [`${name}_data.npy`]: floats([values.length], ...values),
        [`${name}_indices.npy`]: ints([values.length], ...at.flat()),
        [`${name}_indptr.npy`]: ints([starts.length], ...starts),
        [`${name}_shape.npy`]: ints([2], rows.length, 3),
      }
    }
    const set = await graph({
      ...sparse('allx', [
        [1, 0, 0],
        [0, 2, 0],
      ]),
      ...sparse('tx', [
        [0, 0, 3],
        [4, 0, 0],
      ]),
      'y.npy': ints([1, 2], 1, 0),
      'ally.npy': ints([2, 2], 1, 0, 0, 1),
      'ty.npy': ints([2, 2], 0, 1, 1, 0),
      'test_index.npy': ints([2], 4, 2),
      'num_nodes.npy': ints([], 5),
      'edges.npy': ints([2, 2], 0, 4, 4, 4),
    })
    // Train 0, validation 1, test 2 and 4 (whose rows come as 4, 2), and node 3 that nothing is known of.
    expect(set.splits).toEqual({ train: [0, 1], validation: [1, 2], test: [2, 4] })
    expect(Array.from(set.labels!)).toEqual([0, 1, 0, 1, -1])
    const { values } = (await set.read(Int32Array.of(2, 3, 4))) as TensorBatch
    expect(Array.from(values)).toEqual([4, 0, 0, 0, 0, 3, 0, 0, 0])
    expect(set.warnings[1]).toMatch(/1 isolated nodes/)
  })

  it.each([
    ['an edge to nowhere', { ...plain, 'edge_index.npy': ints([2, 1], 0, 4) }, /edge 0: expected nodes from 0 to 3, found 0 and 4/],
    ['edges of a wrong shape', { ...plain, 'edge_index.npy': ints([3, 1], 0, 1, 2) }, /expected edges \[count, 2\]/],
    ['too few labels', { ...plain, 'y.npy': ints([1], 0) }, /a class for each of the 4 nodes/],
    ['no features', { 'edge_index.npy': plain['edge_index.npy'] }, /expected an array 'x', found edge_index/],
  ])('with %s are refused', async (_, members, message) => {
    await expect(graph(members)).rejects.toThrow(message)
  })

  const cora = sharedData('cora.npz')
  it.skipIf(!cora)('of papers are read with their split', async () => {
    expect(await inspectDataSet(cora!)).toMatchObject({ samples: 2708, splits: { train: 140, validation: 500, test: 1000 } })
  })
})
