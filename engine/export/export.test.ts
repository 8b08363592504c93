import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parsePreprocess } from '../data/index.ts'
import { parseNpy } from '../data/format/npy.ts'
import { intsAttr, makeGraph, makeModel, makeNode, sizeOf, TensorData, tensorType, type Model, type Node } from '../ir/index.ts'
import { readModel } from '../onnx/index.ts'
import { random } from '../random.ts'
import { createSession, Value } from '../session/index.ts'
import { exportPackage, type PackageOptions } from './exportPackage.ts'
import { maxAbsError } from './golden.ts'
import { mobileVerdicts, verdictOf } from './mobile.ts'
import { encodeNpy } from './npy.ts'

const folder = mkdtempSync(join(tmpdir(), 'stillroom-export-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const draw = random(5, 'export')
let drawn = 0
const normal = (dims: number[]) =>
  TensorData.from(
    'float32',
    dims,
    Array.from({ length: sizeOf(dims) }, () => draw.normal(drawn++)),
  )

function network(nodes?: Node[]): Model {
  const graph = makeGraph('net')
  graph.inputs = [{ name: 'x', type: tensorType('float32', ['n', 3, 8, 8]) }]
  graph.outputs = [{ name: 'y', type: tensorType('float32', ['n', 4]) }]
  graph.initializers = new Map([
    ['w', normal([4, 3, 3, 3])],
    ['s', TensorData.from('float32', [4], [1, 2, 3, 4])],
    ['t', normal([4])],
    ['m', normal([4])],
    ['v', TensorData.from('float32', [4], [1, 2, 1, 3])],
  ])
  graph.nodes = nodes ?? [
    makeNode('Conv', ['x', 'w'], ['c'], { pads: intsAttr([1, 1, 1, 1]) }),
    makeNode('BatchNormalization', ['c', 's', 't', 'm', 'v'], ['b']),
    makeNode('Relu', ['b'], ['r']),
    makeNode('GlobalAveragePool', ['r'], ['g']),
    makeNode('Flatten', ['g'], ['y']),
  ]
  return makeModel(graph, 17)
}

const options = (more: Partial<PackageOptions> = {}): PackageOptions => ({
  name: 'net',
  engineVersion: '0.0.0',
  source: 'abc',
  variants: ['fp32', 'ort'],
  preprocess: parsePreprocess({ channels: 'rgb', size: [8, 8], mean: [0, 0, 0], std: [1, 1, 1] }),
  labels: ['a', 'b', 'c', 'd'],
  golden: { inputs: { x: Value.fromTensor(normal([2, 3, 8, 8])) }, origin: 'random inputs' },
  ...more,
})

describe('package', () => {
  it('holds files that compute what the source does', async () => {
    const out = join(folder, 'a')
    const o = options()
    const source = network()
    const { files, parity, mobile } = await exportPackage(source, out, o)
    const names = [
      'golden/golden.json',
      'golden/input-0.npy',
      'golden/output-0.npy',
      'labels.txt',
      'metrics.json',
      'model.onnx',
      'model.ort',
    ]
    expect(files.map((f) => f.path)).toEqual([...names, 'model_card.md', 'preprocess.json'])
    for (const f of files) {
      const bytes = readFileSync(join(out, f.path))
      expect([bytes.length, createHash('sha256').update(bytes).digest('hex')]).toEqual([f.bytes, f.sha256])
    }
    expect((JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8')) as { files: unknown }).files).toEqual(files)
    expect(readdirSync(folder)).toEqual(['a'])

    // The shipped answers are the source's, and both files give them.
    const source0 = await createSession(source, { level: 'disabled', threads: 1 })
    const expected = (await source0.run(o.golden.inputs)).y!.numbers()
    const shipped = parseNpy(readFileSync(join(out, 'golden/output-0.npy')), 'golden')
    expect(shipped.dims).toEqual([2, 4])
    let worst = 0
    for (const name of ['model.onnx', 'model.ort']) {
      const session = await createSession(join(out, name), { threads: 1 })
      const found = (await session.run(o.golden.inputs)).y!.numbers()
      for (const [i, v] of expected.entries()) {
        expect(found[i]).toBeCloseTo(v, 4)
        expect(shipped.data[i]).toBeCloseTo(v, 4)
        worst = Math.max(worst, Math.abs(found[i]! - shipped.data[i]!))
      }
    }
    expect(parity.maxAbsError).toBeCloseTo(worst, 7)
    expect(parity.maxAbsError).toBeLessThan(1e-5)

    const written = await readModel(join(out, 'model.onnx'))
    expect(written.graph.nodes.map((n) => n.op)).not.toContain('BatchNormalization')
    expect(Object.fromEntries(written.metadata)).toMatchObject({
      'Image.BitmapPixelFormat': 'Rgb8',
      'Image.NominalPixelRange': 'Normalized_0_1',
      'stillroom.source.sha256': 'abc',
    })
    expect(mobile.nnapi).toMatchObject({ verdict: 'yes', partitions: 1, covered: 1 })
    expect(readFileSync(join(out, 'model.ort')).subarray(4, 8).toString()).toBe('ORTM')
  })

  it('replaces only its own files, and only when asked', async () => {
    const out = join(folder, 'b')
    mkdirSync(out)
    writeFileSync(join(out, 'mine.txt'), 'keep')
    await expect(exportPackage(network(), out, options())).rejects.toMatchObject({ code: 'option', where: 'out' })
    await exportPackage(network(), out, options({ overwrite: true }))
    expect(readFileSync(join(out, 'mine.txt'), 'utf8')).toBe('keep')
    expect(existsSync(join(out, 'manifest.json'))).toBe(true)
  })

  it('leaves nothing behind when it fails', async () => {
    const out = join(folder, 'c')
    const wrong = { x: Value.fromTensor(normal([2, 3, 8, 9])), z: Value.fromTensor(normal([1])) }
    await expect(exportPackage(network(), out, options({ golden: { inputs: wrong, origin: '' } }))).rejects.toMatchObject({
      code: 'runtime',
    })
    await expect(exportPackage(network(), out, options({ variants: ['fp16'] }))).rejects.toMatchObject({ code: 'option' })
    await expect(exportPackage(network(), out, options({ variants: ['int8'] }))).rejects.toMatchObject({ code: 'option' })
    expect(readdirSync(folder).filter((name) => name.startsWith('c'))).toEqual([])
  })
})

describe('mobile verdict', () => {
  it('follows the rules of the usability check', () => {
    const cases: [number, number, string][] = [
      [1, 0.76, 'yes'],
      [1, 0.75, 'maybe'],
      [1, 0.51, 'maybe'],
      [1, 0.5, 'no'],
      [2, 0.76, 'maybe'],
      [2, 0.75, 'no'],
      [3, 1, 'no'],
      [0, 0, 'no'],
    ]
    for (const [partitions, covered, verdict] of cases)
      expect([partitions, covered, verdictOf(partitions, covered)]).toEqual([partitions, covered, verdict])
  })

  it('counts partitions and says what is in the way', () => {
    const nodes = [
      makeNode('Relu', ['x'], ['a']),
      makeNode('Relu', ['x'], ['b']),
      makeNode('Mish', ['a'], ['c']),
      makeNode('Add', ['c', 'b'], ['d']),
      makeNode('Relu', ['d'], ['y']),
    ]
    const { coreml } = mobileVerdicts(network(nodes))
    expect(coreml).toMatchObject({ partitions: 2, covered: 0.8, verdict: 'maybe' })
    expect(coreml!.reasons).toContain('Mish is not supported: 1 node')
    expect(coreml!.reasons.join()).toContain("'n'")
  })

  it('refuses sizes that nothing names', () => {
    const model = network()
    model.graph.inputs = [{ name: 'x', type: tensorType('float32', ['', 3, 8, 8]) }]
    expect(mobileVerdicts(model).nnapi).toMatchObject({ verdict: 'no', partitions: 0, covered: 0 })
  })
})

it('writes NumPy files that a reader of the format takes', () => {
  for (const [dtype, dims, values] of [
    ['float32', [2, 3], [1, 2, 3, -4, 5.5, 0]],
    ['int64', [3], [1, -2, 2 ** 40]],
    ['uint8', [], [7]],
  ] as const) {
    const bytes = encodeNpy(TensorData.from(dtype, dims, values))
    expect((bytes[8]! + 256 * bytes[9]! + 10) % 64).toBe(0)
    const back = parseNpy(bytes, 'test')
    expect([back.dims, [...back.data]]).toEqual([[...dims], [...values]])
  }
})

it('measures the largest difference', () => {
  const of = (...values: number[]) => ({ y: Value.from('float32', [values.length], values) })
  expect(maxAbsError(of(1, 2), of(1, 2))).toBe(0)
  expect(maxAbsError(of(1, 2), of(1.5, 1))).toBe(1)
  expect(maxAbsError(of(1, NaN), of(1, NaN))).toBe(0)
  expect(maxAbsError(of(1, 2), of(1, NaN))).toBe(Infinity)
  expect(maxAbsError(of(1, 2), {})).toBe(Infinity)
})
