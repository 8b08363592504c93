/** What the tests of ONNX files share: small models, ONNX Runtime as the reference, and the shared files by name. */
import '../engine/session/telemetry.ts'
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect } from 'vitest'
import * as ort from 'onnxruntime-node'
import { sharedData } from './shared.ts'
import {
  allocate,
  makeGraph,
  makeModel,
  makeNode,
  tensorType,
  TensorData,
  type Attribute,
  type DataType,
  type Model,
  type Node,
  type Shape,
  type ValueInfo,
} from '../engine/ir/index.ts'
import { encodeModel } from '../engine/onnx/index.ts'

export const value = (name: string, shape: Shape, dtype: DataType = 'float32'): ValueInfo => ({
  name,
  type: tensorType(dtype, shape),
})

/** A model of the given nodes; outputs are untyped, ONNX Runtime infers them. */
export function modelOf(
  nodes: Node[],
  io: { inputs: ValueInfo[]; outputs: string[]; initializers?: Record<string, TensorData> },
  opset = 17,
): Model {
  const graph = makeGraph('test')
  graph.nodes = nodes
  graph.inputs = io.inputs
  graph.outputs = io.outputs.map((name) => ({ name, type: undefined }))
  for (const [name, tensor] of Object.entries(io.initializers ?? {})) graph.initializers.set(name, tensor)
  return makeModel(graph, opset)
}

/** One node from `x` (and constants `c0`, `c1`, ...) to `y`. */
export const single = (op: string, shape: Shape, attrs: Record<string, Attribute>, opset: number, constants: TensorData[] = []) =>
  modelOf(
    [makeNode(op, ['x', ...constants.map((_, i) => `c${i}`)], ['y'], attrs)],
    { inputs: [value('x', shape)], outputs: ['y'], initializers: Object.fromEntries(constants.map((t, i) => [`c${i}`, t])) },
    opset,
  )

const quiet: ort.InferenceSession.SessionOptions = { logSeverityLevel: 4, intraOpNumThreads: 1, interOpNumThreads: 1 }
export type Outputs = Record<string, { dims: readonly number[]; data: ort.Tensor['data'] }>

export const open = (model: Model | string): Promise<ort.InferenceSession> =>
  typeof model === 'string' ? ort.InferenceSession.create(model, quiet) : ort.InferenceSession.create(encodeModel(model), quiet)

/** Outputs of a model or a file in ONNX Runtime. */
export async function run(model: Model | string, feeds: Record<string, TensorData>): Promise<Outputs> {
  const session = await open(model)
  try {
    const results = await session.run(Object.fromEntries(Object.entries(feeds).map(([name, t]) => [name, toOrt(t)])))
    return Object.fromEntries(Object.entries(results).map(([name, t]) => [name, { dims: t.dims, data: t.data }]))
  } finally {
    await session.release()
  }
}

function toOrt(tensor: TensorData): ort.Tensor {
  const text = tensor.strings?.map((bytes) => Buffer.from(bytes).toString('utf8'))
  return new ort.Tensor(tensor.dtype as 'float32', (text ?? tensor.data) as Float32Array, tensor.dims)
}

/** Same names, shapes and bits; `toEqual` on large arrays takes a minute. */
export function expectSameBits(found: Outputs, expected: Outputs): void {
  const shapes = (outputs: Outputs) => Object.entries(outputs).map(([name, { dims }]) => [name, dims])
  expect(shapes(found)).toEqual(shapes(expected))
  for (const [name, { data }] of Object.entries(expected)) {
    const other = found[name]!.data
    if (ArrayBuffer.isView(data) && ArrayBuffer.isView(other)) expect(Buffer.compare(bytesOf(data), bytesOf(other)), name).toBe(0)
    else expect(other).toEqual(data)
  }
}

const bytesOf = (view: ArrayBufferView) => Buffer.from(view.buffer, view.byteOffset, view.byteLength)

/** Values in [-1, 1) of a plain linear congruential generator, so that the tests depend on nothing of ours. */
export function noise(dtype: DataType, dims: readonly number[], seed = 1): TensorData {
  const out = allocate(
    dtype,
    dims.reduce((n, d) => n * d, 1),
  )
  let state = seed
  for (let i = 0; i < out.length; i++) {
    state = (state * 1103515245 + 12345) % 2147483648
    const unit = state / 2147483648
    if (typeof out[i] === 'bigint') out[i] = BigInt(Math.floor(unit * 2))
    else out[i] = dtype.startsWith('float') ? unit * 2 - 1 : Math.floor(unit * 2)
  }
  return TensorData.of(dtype, dims, out)
}

export const real = sharedData('models.tar.xz')
export const bad = sharedData('bad.tar.xz')
export const nodeTests = sharedData('onnx-node-tests.tar.xz')

/** Every `.onnx` below a folder, sorted. */
export const onnxFiles = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.onnx'))
    .sort()
    .map((name) => join(folder, name))

export const fileNamed = (folder: string, name: string): string => {
  const found = onnxFiles(folder).find((file) => basename(file) === name)
  if (!found) throw new Error(`no ${name} below ${folder}`)
  return found
}
