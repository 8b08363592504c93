import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { ModelError, OptionError } from '../errors.ts'
import { makeNode, TensorData, verify } from '../ir/index.ts'
import { encodeMessage } from './encode.ts'
import { decodeModel, encodeModel, readModel, readModelSync, writeModel } from './index.ts'
import { modelOf, noise, run, value } from '../../tests/onnxModels.ts'

const root = mkdtempSync(join(tmpdir(), 'stillroom-external-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let home: string
beforeEach(() => {
  home = mkdtempSync(join(root, 'case-'))
})

const WEIGHTS = noise('float32', [64, 8])
const model = () =>
  modelOf([makeNode('MatMul', ['x', 'w'], ['m']), makeNode('Add', ['m', 'b'], ['y'])], {
    inputs: [value('x', [1, 64])],
    outputs: ['y'],
    initializers: { w: WEIGHTS, b: TensorData.from('float32', [8], [1, 2, 3, 4, 5, 6, 7, 8]) },
  })
const feeds = { x: noise('float32', [1, 64], 5) }

/** A model with one float32[4] initializer in a data file. */
const pointing = (location: string, more: { key: string; value: string }[] = []) =>
  encodeMessage('ModelProto', {
    ir_version: 8,
    opset_import: [{ domain: '', version: 17 }],
    graph: {
      node: [{ input: ['w'], output: ['y'], op_type: 'Neg' }],
      output: [{ name: 'y' }],
      initializer: [
        { name: 'w', dims: [4], data_type: 1, data_location: 1, external_data: [{ key: 'location', value: location }, ...more] },
      ],
    },
  })

/** Reads the model, expects `verify` and a touch to complain alike. */
function refuses(location: string, complaint: RegExp, more: { key: string; value: string }[] = []): void {
  const file = join(home, 'model', 'm.onnx')
  mkdirSync(join(home, 'model'), { recursive: true })
  writeFileSync(file, pointing(location, more))
  const read = readModelSync(file)
  const problems = verify(read).filter((p) => p.severity === 'error')
  expect(problems.map((p) => p.where)).toEqual(["initializer 'w'"])
  expect(problems[0]!.message).toMatch(complaint)
  const touch = () => read.graph.initializers.get('w')!.bytes
  expect(touch).toThrow(ModelError)
  expect(touch).toThrow(/initializer 'w' float32\[4\]/)
  expect(touch).toThrow(complaint)
}

describe('external data', () => {
  it('is written to a file, read a slice at a time, and runs the same', async () => {
    const file = join(home, 'a.onnx')
    const files = await writeModel(model(), file, { external: { file: 'a.bin', threshold: 1000 } })
    expect(files).toEqual([file, join(home, 'a.bin')])
    // The bias is below the threshold.
    expect(statSync(join(home, 'a.bin')).size).toBe(64 * 8 * 4)
    const read = await readModel(file)
    expect(await run(file, feeds)).toEqual(await run(model(), feeds))
    expect(read.graph.initializers.get('w')!.bytes).toEqual(WEIGHTS.bytes)
    // All inside again.
    expect(await run(read, feeds)).toEqual(await run(model(), feeds))
    expect(await writeModel(read, join(home, 'b.onnx'), { external: 'none' })).toEqual([join(home, 'b.onnx')])
    expect(readFileSync(join(home, 'b.onnx'))).toEqual(Buffer.from(encodeModel(read)))
  })

  it('stays where it is beside its own file, and goes along elsewhere', async () => {
    const file = join(home, 'a.onnx')
    await writeModel(model(), file, { external: { file: 'a.bin' } })
    const read = readModelSync(file)
    expect(await writeModel(read, join(home, 'b.onnx'))).toEqual([join(home, 'b.onnx')])
    expect(readFileSync(join(home, 'b.onnx'))).toEqual(readFileSync(file))
    mkdirSync(join(home, 'sub'))
    const away = join(home, 'sub', 'c.onnx')
    expect(await writeModel(read, away)).toEqual([away, `${away}.data`])
    expect(await run(away, feeds)).toEqual(await run(model(), feeds))
  })

  it('survives being written over its own data file', async () => {
    const file = join(home, 'a.onnx')
    await writeModel(model(), file, { external: { file: 'a.bin', threshold: 0 } })
    const read = readModelSync(file)
    read.graph.initializers.set('b', noise('float32', [8], 9))
    await writeModel(read, file, { external: { file: 'a.bin', threshold: 1000 } })
    expect(read.graph.initializers.get('w')!.bytes).toEqual(WEIGHTS.bytes)
    expect(readModelSync(file).graph.initializers.get('w')!.bytes).toEqual(WEIGHTS.bytes)
  })

  it('keeps its file name in the folder', async () => {
    for (const file of ['../w.bin', 'sub/w.bin', '', '..', 'a.onnx'])
      await expect(writeModel(model(), join(home, 'a.onnx'), { external: { file } })).rejects.toThrow(OptionError)
  })

  it('outside the folder is refused', () => {
    writeFileSync(join(home, 'secret.bin'), new Uint8Array(16))
    refuses('../secret.bin', /lies outside the model's folder/)
    refuses('sub/../../secret.bin', /lies outside the model's folder/)
    refuses(join(home, 'secret.bin'), /lies outside the model's folder/)
    refuses('C:\\secret.bin', /lies outside the model's folder/)
    refuses('..\\secret.bin', /lies outside the model's folder/)
    symlinkSync(join(home, 'secret.bin'), join(home, 'model', 'link.bin'))
    refuses('link.bin', /lies outside the model's folder/)
    symlinkSync(home, join(home, 'model', 'up'))
    refuses('up/secret.bin', /lies outside the model's folder/)
  })

  it('that is missing, a folder, or too short is refused', () => {
    refuses('none.bin', /is missing/)
    refuses('', /names no file/)
    mkdirSync(join(home, 'model', 'sub'))
    refuses('sub', /is not a regular file/)
    writeFileSync(join(home, 'model', 'w.bin'), new Uint8Array(16))
    refuses('w.bin', /ends at byte 16, the tensor needs bytes 4 to 20/, [{ key: 'offset', value: '4' }])
    refuses('w.bin', /holds 12 bytes for it, its shape needs 16/, [{ key: 'length', value: '12' }])
    refuses('w.bin', /has offset '-4'/, [{ key: 'offset', value: '-4' }])
    refuses('w.bin', /has offset '99999999999999999999'/, [{ key: 'offset', value: '99999999999999999999' }])
  })

  it('of a model given as bytes asks for the path', () => {
    const { graph } = decodeModel(pointing('w.bin'))
    expect(() => graph.initializers.get('w')!.bytes).toThrow(/the model was given as bytes/)
  })

  it('is reached through a model that is a link, as download caches keep it', () => {
    mkdirSync(join(home, 'blobs'))
    mkdirSync(join(home, 'snapshot'))
    writeFileSync(join(home, 'blobs', 'm'), pointing('w.bin'))
    writeFileSync(join(home, 'blobs', 'w'), Float32Array.of(1, 2, 3, 4))
    symlinkSync(join(home, 'blobs', 'm'), join(home, 'snapshot', 'm.onnx'))
    symlinkSync(join(home, 'blobs', 'w'), join(home, 'snapshot', 'w.bin'))
    expect([
      ...readModelSync(join(home, 'snapshot', 'm.onnx'))
        .graph.initializers.get('w')!
        .numbers(),
    ]).toEqual([1, 2, 3, 4])
  })

  it('beyond 2 GiB is read by its slice', () => {
    const big = join(home, 'w.bin')
    writeFileSync(big, '')
    // A sparse file: 5 GiB that take no room.
    truncateSync(big, 5 * 2 ** 30)
    writeFileSync(join(home, 'm.onnx'), pointing('w.bin', [{ key: 'offset', value: String(5 * 2 ** 30 - 16) }]))
    expect([...readModelSync(join(home, 'm.onnx')).graph.initializers.get('w')!.numbers()]).toEqual([0, 0, 0, 0])
    expect(existsSync(big)).toBe(true)
  })

  it('says what to do when a model outgrows one file', () => {
    const huge = new TensorData('uint8', [2 ** 31], () => new Uint8Array(2 ** 31))
    const large = modelOf([makeNode('Neg', ['w'], ['y'])], { inputs: [], outputs: ['y'], initializers: { w: huge } })
    expect(() => encodeModel(large)).toThrow(/a single ONNX file holds at most 2 GiB/)
  })
})
