import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { StillroomError } from '../errors.ts'
import { makeNode, TensorData, verify } from '../ir/index.ts'
import { decodeMessage } from './decode.ts'
import { encodeMessage } from './encode.ts'
import { decodeModel, encodeModel, readModel, readModelSync, writeModel } from './index.ts'
import {
  bad,
  expectSameBits,
  fileNamed,
  modelOf,
  nodeTests,
  noise,
  onnxFiles,
  open,
  real,
  run,
  value,
} from '../../tests/onnxModels.ts'
import { modelMessage } from './toMessage.ts'

const folder = mkdtempSync(join(tmpdir(), 'stillroom-onnx-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The file's message against what is written of its model, external data left where it is. */
function compare(file: string): void {
  const before = decodeMessage('ModelProto', readFileSync(file), file)
  const written = encodeMessage(
    'ModelProto',
    modelMessage(readModelSync(file), (_, message) => message),
  )
  // `toEqual` on the whole is slow on megabytes of weights: bytes first, the message where they differ.
  if (Buffer.compare(encodeMessage('ModelProto', before), written) !== 0)
    expect(decodeMessage('ModelProto', written, file)).toEqual(before)
}

describe.skipIf(!real || !bad || !nodeTests)('every shared file', () => {
  it('is written as it was read: the real models', () => onnxFiles(real!).forEach(compare))
  it('is written as it was read: the bad files', () => onnxFiles(bad!).forEach(compare))
  it('is written as it was read: the node tests', () => {
    const files = onnxFiles(nodeTests!)
    expect(files.length).toBeGreaterThan(1700)
    files.forEach(compare)
  })

  it('breaks no rule where ONNX Runtime loads it', async () => {
    const wrong: string[] = []
    const refused: string[] = []
    for (const file of [...onnxFiles(real!), ...onnxFiles(bad!), ...onnxFiles(nodeTests!)]) {
      const error = verify(readModelSync(file)).find((p) => p.severity === 'error')
      if (!error) continue
      refused.push(basename(file))
      const session = await open(file).catch(() => undefined)
      if (session) wrong.push(`${file}: ${error.where}: ${error.message}`)
    }
    expect(wrong).toEqual([])
    expect(refused.sort()).toEqual([
      'VariedInputCustomOp.onnx',
      'bad_names.onnx',
      'mixed_data.onnx',
      'test_arbitrary_external_file.onnx',
    ])
  })
})

describe.skipIf(!real)('the real models in ONNX Runtime', () => {
  const feeds: Record<string, [string, Record<string, TensorData>]> = {
    mnist: ['mnist-burn-cnn.onnx', { 'input.1': noise('float32', [1, 1, 28, 28]) }],
    'external data': ['simple_cnn.onnx', {}],
    'several data files': ['multi_external_files.onnx', {}],
    'control flow': ['nuphar_tiny_model_with_loop.onnx', {}],
    'opset 9': ['ultraface-rfb-320.onnx', {}],
  }
  it.each(Object.entries(feeds))('give bit-identical outputs: %s', async (_, [name, given]) => {
    const file = fileNamed(real!, name)
    const inputs = { ...(await feedsOf(file)), ...given }
    const target = join(folder, `copy-${name}`)
    const files = await writeModel(await readModel(file), target)
    const expected = await run(file, inputs)
    expectSameBits(await run(target, inputs), expected)
    // Models with external data take it along, in one file.
    if (name === 'simple_cnn.onnx' || name === 'multi_external_files.onnx') expect(files).toEqual([target, `${target}.data`])
    else expect(files).toEqual([target])
    expectSameBits(await run(readModelSync(target), inputs), expected)
  })
})

/** Noise for each input of a file, unknown dimensions taken as 2. */
async function feedsOf(file: string): Promise<Record<string, TensorData>> {
  const session = await open(file)
  const inputs = session.inputMetadata as readonly { name: string; type: string; shape: readonly (number | string)[] }[]
  const feeds = inputs.map(({ name, type, shape }) => [
    name,
    noise(
      type as 'float32',
      shape.map((d) => (typeof d === 'number' ? d : 2)),
    ),
  ])
  await session.release()
  return Object.fromEntries(feeds) as Record<string, TensorData>
}

describe('changes', () => {
  const source = () =>
    modelOf([makeNode('Add', ['x', 'w'], ['a']), makeNode('Relu', ['a'], ['y'])], {
      inputs: [value('x', [2])],
      outputs: ['y'],
      initializers: { w: TensorData.from('float32', [2], [1, -2]) },
    })

  it('are written, what was not changed stays as the file had it', () => {
    const message = decodeMessage('ModelProto', encodeModel(source()), 'm')
    message.metadata_props = [
      { key: 'a', value: '1' },
      { key: 'a', value: '2' },
    ]
    message.graph!.quantization_annotation = [
      { tensor_name: 'a', quant_parameter_tensor_names: [{ key: 'SCALE_TENSOR', value: 's' }] },
    ]
    message.graph!.node![0]!.metadata_props = [{ key: 'k', value: 'v' }]
    message.graph!.input![0]!.type!.denotation = 'IMAGE'
    message.training_info = [{ initialization_binding: [{ key: 'w', value: 'q' }] }]
    message.configuration = [{ name: 'c', num_devices: 2, device: ['d0', 'd1'] }]
    const model = decodeModel(encodeMessage('ModelProto', message))
    model.graph.nodes[1]!.op = 'Neg'
    model.graph.initializers.set('w', TensorData.from('float32', [2], [3, 4]))
    const after = decodeMessage('ModelProto', encodeModel(model), 'm')
    message.graph!.node![1]!.op_type = 'Neg'
    message.graph!.initializer![0]!.raw_data = new Uint8Array(Float32Array.of(3, 4).buffer)
    expect(after).toEqual(message)
  })

  it('give the same bytes for equal models', () => expect(encodeModel(source())).toEqual(encodeModel(source())))

  it('reads numbers of every storage as ONNX Runtime does', async () => {
    const held = (data_type: number, data: object) => ({ dims: [3], data_type, name: 'w', ...data })
    const cases = [
      held(1, { float_data: new Uint8Array(Float32Array.of(1.5, -2, NaN).buffer) }),
      held(11, { double_data: new Uint8Array(Float64Array.of(1.5, -2, 1e300).buffer) }),
      held(7, { int64_data: Uint8Array.of(5, 0x80, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1) }),
      held(13, { uint64_data: Uint8Array.of(5, 0x80, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1) }),
      held(6, { int32_data: Uint8Array.of(5, 0x80, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1) }),
      held(3, { int32_data: Uint8Array.of(5, 7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1) }),
      held(9, { int32_data: Uint8Array.of(1, 0, 1) }),
      held(12, { uint64_data: Uint8Array.of(5, 7, 0xff, 0xff, 0xff, 0xff, 0x0f) }),
    ]
    for (const tensor of cases) {
      const message = {
        ir_version: 8,
        opset_import: [{ version: 17 }],
        graph: { initializer: [tensor], node: [{ input: ['w'], output: ['y'], op_type: 'Identity' }], output: [{ name: 'y' }] },
      }
      const model = decodeModel(encodeMessage('ModelProto', message))
      const { y } = await run(model, {})
      expect(Array.from(model.graph.initializers.get('w')!.data as Float32Array)).toEqual(Array.from(y!.data as Float32Array))
    }
  })

  it('unpacks sparse initializers on touch and writes them back sparse', () => {
    const sparse = {
      values: { dims: [2], data_type: 1, name: 'w', float_data: new Uint8Array(Float32Array.of(5, 7).buffer) },
      indices: { dims: [2, 2], data_type: 7, int64_data: Uint8Array.of(0, 1, 1, 2) },
      dims: [2, 3],
    }
    const bytes = encodeMessage('ModelProto', {
      ir_version: 8,
      opset_import: [{ version: 17 }],
      graph: { sparse_initializer: [sparse] },
    })
    const model = decodeModel(bytes)
    expect([...model.graph.initializers.get('w')!.numbers()]).toEqual([0, 5, 0, 0, 0, 7])
    expect(encodeModel(model)).toEqual(bytes)
  })
})

describe('damage', () => {
  /** Every mutation is read or refused by one of our errors; nothing else may escape. */
  const survive = (bytes: Uint8Array): void => {
    try {
      const model = decodeModel(bytes)
      verify(model)
      decodeModel(encodeModel(model))
      for (const tensor of model.graph.initializers.values()) void tensor.bytes
    } catch (error) {
      if (!(error instanceof StillroomError)) throw error
    }
  }

  it('anywhere in a file is survived', () => {
    const original = encodeModel(
      modelOf(
        [makeNode('Conv', ['x', 'w'], ['c'], { pads: { type: 'ints', value: [1, 1, 1, 1] } }), makeNode('Relu', ['c'], ['y'])],
        { inputs: [value('x', ['N', 2, 4, 4])], outputs: ['y'], initializers: { w: noise('float32', [3, 2, 3, 3]) } },
      ),
    )
    let state = 7
    const random = (n: number) => Math.floor(((state = (state * 1103515245 + 12345) % 2147483648) / 2147483648) * n)
    for (let round = 0; round < 600; round++) {
      const bytes = Uint8Array.from(original)
      for (let i = 0; i <= random(3); i++) bytes[random(bytes.length)] = random(256)
      survive(round % 3 === 0 ? bytes.subarray(0, random(bytes.length)) : bytes)
    }
    for (let length = 0; length < original.length; length++) survive(original.subarray(0, length))
  })

  it.skipIf(!bad)('of the bad files is survived', () => {
    let state = 3
    const random = (n: number) => Math.floor(((state = (state * 1103515245 + 12345) % 2147483648) / 2147483648) * n)
    for (const file of onnxFiles(bad!))
      for (let round = 0; round < 40; round++) {
        const bytes = Uint8Array.from(readFileSync(file))
        bytes[random(bytes.length)] = random(256)
        survive(bytes)
      }
  })

  it('names formats that are often taken for ONNX', () => {
    const text = (s: string) => Buffer.from(s, 'latin1')
    expect(() => decodeModel(text(''))).toThrow(/the file is empty/)
    expect(() => decodeModel(text('version https://git-lfs.github.com/spec/v1\n'))).toThrow(/Git LFS pointer/)
    expect(() => decodeModel(text('\0\0\0\0ORTM'))).toThrow(/own format/)
    expect(() => decodeModel(text('<!DOCTYPE html>'))).toThrow(/web page/)
    expect(() => decodeModel(text('PK\x03\x04'))).toThrow(/ZIP/)
    expect(() => readModelSync(folder)).toThrow(/a folder/)
    expect(() => readModelSync(join(folder, 'none.onnx'))).toThrow(/no such file/)
  })
})

it('leaves no temporary files behind', async () => {
  const home = mkdtempSync(join(folder, 'atomic-'))
  const model = modelOf([makeNode('Relu', ['x'], ['y'])], { inputs: [value('x', [2])], outputs: ['y'] })
  await writeModel(model, join(home, 'a.onnx'))
  await expect(writeModel(model, join(home, 'none', 'a.onnx'))).rejects.toThrow()
  copyFileSync(join(home, 'a.onnx'), join(home, 'b.onnx'))
  expect(onnxFiles(home).map((f) => basename(f))).toEqual(['a.onnx', 'b.onnx'])
  expect(dirname(onnxFiles(home)[0]!)).toBe(home)
})
