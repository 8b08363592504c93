import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { makeGraph, makeModel, makeNode, tensorType, TensorData, type Model } from '../ir/index.ts'
import { createSession, LIVE_SESSIONS, liveSessions, probeDevices, Value } from './index.ts'
import { sourceOf } from './modelSource.ts'

/** y = x * w + b for x [batch, 2]; `next` is y again, so that it can be fed back. */
function affine(): Model {
  const graph = makeGraph('affine')
  graph.inputs = [{ name: 'x', type: tensorType('float32', ['batch', 2]) }]
  graph.outputs = [
    { name: 'y', type: tensorType('float32', ['batch', 2]) },
    { name: 'sum', type: tensorType('float32', []) },
  ]
  graph.initializers.set('w', TensorData.from('float32', [2], [2, 3]))
  graph.initializers.set('b', TensorData.from('float32', [2], [1, -1]))
  graph.nodes = [
    makeNode('Mul', ['x', 'w'], ['xw'], {}, { name: 'scale' }),
    makeNode('Add', ['xw', 'b'], ['y'], {}, { name: 'shift' }),
    makeNode('ReduceSum', ['y'], ['sum'], { keepdims: { type: 'int', value: 0 } }),
  ]
  return makeModel(graph, 17)
}

const identity = (dtype: 'float16' | 'bool' | 'int64' | 'string'): Model => {
  const graph = makeGraph('identity')
  graph.inputs = [{ name: 'x', type: tensorType(dtype, [3]) }]
  graph.outputs = [{ name: 'y', type: tensorType(dtype, [3]) }]
  graph.nodes = [makeNode('Identity', ['x'], ['y'])]
  return makeModel(graph, 17)
}

describe('a session', () => {
  it('runs a model, names its ports, and feeds outputs back', async () => {
    const session = await createSession(affine(), { threads: 1 })
    expect(session.inputs).toEqual([{ name: 'x', dtype: 'float32', shape: ['batch', 2] }])
    const first = await session.run({ x: Value.from('float32', [1, 2], [1, 1]) })
    expect([...first.y!.data]).toEqual([3, 2])
    expect([...first.sum!.data]).toEqual([5])
    const second = await session.run({ x: first.y! }, ['y'])
    expect([...second.y!.data]).toEqual([7, 5])
    expect(Object.keys(second)).toEqual(['y'])
    // What was returned before is not overwritten.
    expect([...first.y!.data]).toEqual([3, 2])
    await session.release()
    await expect(session.run({ x: first.y! })).rejects.toThrow(/was released/)
  })

  it('copies neither what is fed nor what is read', async () => {
    const data = Float32Array.of(1, 2)
    const value = Value.of('float32', [1, 2], data)
    expect(value.data).toBe(data)
    expect(value.toTensor().data.buffer).toBe(data.buffer)
  })

  it.each([
    ['float16', Uint16Array.of(0x3c00, 0, 0xc000)],
    ['bool', Uint8Array.of(1, 0, 1)],
    ['int64', BigInt64Array.of(1n, -2n, 3n)],
  ] as const)('carries %s', async (dtype, data) => {
    const session = await createSession(identity(dtype), { threads: 1 })
    const { y } = await session.run({ x: Value.of(dtype, [3], data) })
    expect(y!.dtype).toBe(dtype)
    expect([...y!.data]).toEqual([...data])
    await session.release()
  })

  it('carries strings', async () => {
    const session = await createSession(identity('string'), { threads: 1 })
    const { y } = await session.run({ x: Value.strings([3], ['a', '', 'é']) })
    expect(y!.text).toEqual(['a', '', 'é'])
    expect(new TextDecoder().decode(y!.toTensor().strings![2])).toBe('é')
    await session.release()
  })

  it('says which input is wrong', async () => {
    const session = await createSession(affine(), { threads: 1, name: 'affine.onnx' })
    await expect(session.run({})).rejects.toMatchObject({ code: 'runtime', message: "input 'x' is missing", where: 'affine.onnx' })
    await expect(session.run({ x: Value.from('float32', [1, 3], [1, 2, 3]) })).rejects.toThrow(
      "input 'x' is float32[1, 3], expected float32[batch, 2]",
    )
    await expect(session.run({ x: Value.from('int64', [1, 2], [1, 2]) })).rejects.toThrow(/int64\[1, 2\], expected float32/)
    await expect(session.run({ x: Value.from('float32', [1, 2], [1, 2]) }, ['z'])).rejects.toThrow("no output 'z'")
    await session.release()
  })

  it('turns refusals into one line with a kind', async () => {
    const unknown = affine()
    unknown.graph.nodes[0]!.op = 'Multiply'
    await expect(createSession(unknown)).rejects.toMatchObject({ code: 'unsupported', where: "model: node 'scale' (Multiply)" })
    const custom = affine()
    custom.graph.nodes[0]!.domain = 'acme'
    custom.opsets.set('acme', 1)
    await expect(createSession(custom)).rejects.toMatchObject({ code: 'unsupported', message: /acme\.Mul/ })
    await expect(createSession(Uint8Array.of(1, 2, 3, 4))).rejects.toMatchObject({ code: 'model' })
    const clash = affine()
    clash.graph.initializers.set('b', TensorData.from('float32', [3], [1, 2, 3]))
    await expect(createSession(clash)).rejects.toMatchObject({ code: 'model', where: "model: node 'shift' (Add)" })
  })

  it('names the node that fails in a run', async () => {
    const graph = makeGraph('reshape')
    graph.inputs = [
      { name: 'x', type: tensorType('float32', ['n']) },
      { name: 'shape', type: tensorType('int64', [1]) },
    ]
    graph.outputs = [{ name: 'y', type: tensorType('float32', ['m']) }]
    graph.nodes = [makeNode('Reshape', ['x', 'shape'], ['y'], {}, { name: 'fold' })]
    const session = await createSession(makeModel(graph, 17), { threads: 1 })
    const run = session.run({ x: Value.from('float32', [4], [1, 2, 3, 4]), shape: Value.from('int64', [1], [3]) })
    await expect(run).rejects.toMatchObject({ code: 'runtime', where: "model: node 'fold' (Reshape)" })
    const message = await run.catch((error: Error) => error.message)
    expect(message).not.toMatch(/\n|onnxruntime_src|\.cc/)
    await session.release()
  })

  it('refuses options that cannot be', async () => {
    await expect(createSession(affine(), { threads: 0 })).rejects.toMatchObject({ code: 'option', where: 'threads' })
    await expect(createSession(affine(), { provider: 'coreml' })).rejects.toMatchObject({ code: 'option', where: 'provider' })
  })

  it('passes dotted configuration keys', async () => {
    // A value that this key does not have: only a key that arrives can be refused.
    await expect(
      createSession(affine(), { config: { 'session.model_external_initializers_file_folder_path': '' } }),
    ).resolves.toBeDefined()
    await expect(
      createSession(affine(), { config: { 'session.dynamic_block_base': '4', 'session.load_model_format': 'ORT' } }),
    ).rejects.toThrow()
  })

  it('gives the time of every node', async () => {
    const session = await createSession(affine(), { threads: 1, profile: true, level: 'disabled' })
    const x = Value.from('float32', [1, 2], [1, 1])
    for (let i = 0; i < 3; i++) await session.run({ x })
    const times = session.profile()
    expect(times.map((t) => [t.name, t.op, t.provider, t.calls])).toEqual([
      ['scale', 'Mul', 'cpu', 3],
      ['shift', 'Add', 'cpu', 3],
      [expect.any(String), 'ReduceSum', 'cpu', 3],
    ])
    expect(times.every((t) => t.medianMs >= 0 && t.totalMs >= t.medianMs)).toBe(true)
    await session.release()
  })

  it('loads a model that is too large for one message from files', async () => {
    const graph = makeGraph('large')
    graph.inputs = [{ name: 'x', type: tensorType('float32', [1, 512]) }]
    graph.outputs = [{ name: 'y', type: tensorType('float32', [1, 512]) }]
    graph.initializers.set('w', TensorData.from('float32', [512], new Float32Array(512).fill(3)))
    graph.nodes = [makeNode('Mul', ['x', 'w'], ['y'])]
    const source = await sourceOf(makeModel(graph, 17), 1000)
    expect(typeof source.model).toBe('string')
    const session = await createSession(source.model, { threads: 1 })
    source.clean()
    expect(existsSync(source.model as string)).toBe(false)
    const { y } = await session.run({ x: Value.from('float32', [1, 512], new Float32Array(512).fill(2)) })
    expect(Array.from(y!.data, Number).every((v) => v === 6)).toBe(true)
    await session.release()
  })

  it('is one of a bounded number', async () => {
    const before = liveSessions()
    const many = await Promise.all(
      Array.from({ length: LIVE_SESSIONS - before }, () => createSession(affine(), { threads: 1, name: 'many' })),
    )
    await expect(createSession(affine())).rejects.toMatchObject({
      code: 'runtime',
      message: expect.stringContaining(`${LIVE_SESSIONS - before} x many`),
    })
    await many.pop()!.release()
    // A place that a refused model took is free again.
    await expect(createSession(new Uint8Array(8))).rejects.toThrow()
    const last = await createSession(affine(), { threads: 1 })
    for (const session of [last, ...many]) await session.release()
    expect(liveSessions()).toBe(before)
  })

  it('is deterministic on demand', async () => {
    const session = await createSession(affine(), { deterministic: true })
    const x = Value.from('float32', [1, 2], [0.1, 0.7])
    expect((await session.run({ x })).y!.data).toEqual((await session.run({ x })).y!.data)
    await session.release()
  })
})

describe('devices', () => {
  it('finds the cores, the block size and the CPU provider', async () => {
    const { cpu, providers } = await probeDevices()
    expect(cpu.cores).toBeGreaterThanOrEqual(1)
    expect(cpu.cores).toBeLessThanOrEqual(cpu.hardwareThreads)
    expect([1, 8, 16]).toContain(cpu.blockSize)
    expect(providers.map((p) => p.name)).toContain('cpu')
    if (cpu.instructionSets.includes('AVX-512F')) expect(cpu.blockSize).toBe(16)
  })
})
