import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nodeTests, onnxFiles, run } from '../../tests/onnxModels.ts'
import { subgraphs, type TensorData, type Model, type Node, type ValueInfo } from '../ir/index.ts'
import { decodeMessage } from '../onnx/decode.ts'
import { inlineFunctions, readModelSync, upgradeOpset } from '../onnx/index.ts'
import { tensorOf } from '../onnx/tensor.ts'
import { controlFlow } from './inlineControl.ts'
import { sequenceOps } from './inlineSequence.ts'
import { inlineValues, newBuilder, Optional, Sequence, type Tensor, type Builder, type Value } from './index.ts'

/**
 * The standard's own tests of If, Loop, Scan, sequences and optionals: written out by the compiler, run by ONNX Runtime as plain nodes, and
 * compared with the outputs that come with each test.
 */

const OPERATORS = new Set([...Object.keys(controlFlow), ...Object.keys(sequenceOps)])
const uses = (nodes: readonly Node[]): boolean => nodes.some((n) => OPERATORS.has(n.op) || subgraphs(n).some((g) => uses(g.nodes)))

/** What a file of test data holds. An optional may be empty. */
type Data = TensorData | readonly TensorData[] | undefined

/** The fields of a protobuf message that are byte strings, by number; all that sequences and optionals need. */
function fieldsOf(bytes: Uint8Array): { field: number; bytes: Uint8Array }[] {
  const out: { field: number; bytes: Uint8Array }[] = []
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++]!
      value += (byte & 127) * shift
      if (byte < 128) return value
    }
  }
  while (at < bytes.length) {
    const key = varint()
    if ((key & 7) === 0) varint()
    else {
      const length = varint()
      out.push({ field: key >>> 3, bytes: bytes.subarray(at, at + length) })
      at += length
    }
  }
  return out
}

function dataOf(bytes: Uint8Array, type: NonNullable<ValueInfo['type']>, file: string): Data {
  if (type.kind === 'tensor') return tensorOf(decodeMessage('TensorProto', bytes, file), { file, folder: undefined }, file)
  if (type.kind === 'sequence')
    return fieldsOf(bytes).flatMap((f) => (f.field === 3 ? [dataOf(f.bytes, { kind: 'tensor' } as never, file) as TensorData] : []))
  const inside = type.kind === 'optional' ? type.of : undefined
  const held = fieldsOf(bytes).find((f) => f.field === (inside?.kind === 'sequence' ? 5 : 3))
  return held && inside ? dataOf(held.bytes, inside, file) : undefined
}

/** A value of the compiler: float arrays are fed, everything else is known, as it would be where shapes and lengths are. */
function valueOf(b: Builder, info: ValueInfo, data: Data, feeds: Record<string, TensorData>): Value {
  const tensor = (name: string, t: TensorData): Tensor => {
    if (!t.dtype.startsWith('float') || t.dims.length === 0) return b.constant(t)
    const x = b.input(name, t.dtype, t.dims)
    feeds[x.name] = t
    return x
  }
  const plain = Array.isArray(data)
    ? new Sequence((data as TensorData[]).map((t, i) => tensor(`${info.name}.${i}`, t)))
    : data && tensor(info.name, data as TensorData)
  return info.type?.kind === 'optional' ? new Optional(plain) : plain!
}

function membersOf(value: Value | undefined): readonly Tensor[] {
  if (value instanceof Optional) return membersOf(value.value)
  return value instanceof Sequence ? value.items : value ? [value] : []
}

const folders = nodeTests
  ? onnxFiles(nodeTests).filter((file) => existsSync(join(dirname(file), 'test_data_set_0', 'output_0.pb')))
  : []
const models = folders.flatMap((file): { file: string; model: Model }[] => {
  try {
    const model = inlineFunctions(readModelSync(file))
    // Half precision has no array type to feed here.
    const half = model.graph.inputs.some((v) => v.type?.kind === 'tensor' && v.type.dtype.includes('float16'))
    return uses(model.graph.nodes) && !half ? [{ file, model }] : []
  } catch {
    return []
  }
})

describe.skipIf(!nodeTests)('control flow, sequences and optionals of the standard', () => {
  it('has their tests', () => {
    const ops = new Set(models.flatMap(({ model }) => model.graph.nodes.map((n) => n.op)))
    for (const op of [
      'If',
      'Loop',
      'Scan',
      'SequenceMap',
      'SequenceInsert',
      'SplitToSequence',
      'OptionalGetElement',
      'OptionalHasElement',
    ])
      expect(ops).toContain(op)
    expect(models.length).toBeGreaterThan(35)
  })

  it.each(models.map((m) => [basename(dirname(m.file)), m] as const))('%s', async (_, { file, model }) => {
    const { graph } = upgradeOpset(model).model
    const read = (kind: 'input' | 'output', info: ValueInfo, i: number): Data =>
      dataOf(readFileSync(join(dirname(file), 'test_data_set_0', `${kind}_${i}.pb`)), info.type!, file)
    const b = newBuilder()
    const feeds: Record<string, TensorData> = {}
    const given = new Map(graph.inputs.map((info, i) => [info.name, valueOf(b, info, read('input', info, i), feeds)]))
    const values = inlineValues(b, graph, given)
    const expected = graph.outputs.map((info, i) => read('output', info, i))
    const found = graph.outputs.map((info) => membersOf(values.get(info.name)))
    expect(found.map((list) => list.length)).toEqual(expected.map((d) => (Array.isArray(d) ? d.length : d ? 1 : 0)))
    const all = found.flat()
    expect(b.reachable(all).filter((s) => subgraphs(s.node).length || OPERATORS.has(s.node.op))).toEqual([])
    const results = await run(b.model(Object.fromEntries(all.map((t, i) => [`o${i}`, t]))), feeds)
    expected
      .flat()
      .filter((d): d is TensorData => d !== undefined)
      .forEach((d, i) => {
        const result = results[`o${i}`]!
        expect([...result.dims]).toEqual([...d.dims])
        const numbers = Array.from(result.data as ArrayLike<number>, Number)
        Array.from(d.numbers()).forEach((v, k) => expect(numbers[k]).toBeCloseTo(v, 4))
      })
  })
})
