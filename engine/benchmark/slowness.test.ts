import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { makeGraph, makeModel, makeNode, TensorData, tensorType, type Model } from '../ir/index.ts'
import { encodeModel } from '../onnx/index.ts'
import type { NodeTime } from '../session/index.ts'
import { benchmarkModels } from './benchmarkModels.ts'
import { isQuantized, slowReasons, type SlowReason } from './slowness.ts'

/** A chain of convolutions between integers. */
function integerModel(layers: number, channels = 4): Model {
  const graph = makeGraph('integers')
  graph.inputs = [{ name: 'x0', type: tensorType('uint8', [1, channels, 8, 8]) }]
  graph.outputs = [{ name: `x${layers}`, type: tensorType('uint8') }]
  graph.initializers.set('scale', TensorData.scalar('float32', 0.1))
  graph.initializers.set('zero', TensorData.scalar('uint8', 0))
  graph.initializers.set('weight zero', TensorData.scalar('int8', 0))
  graph.initializers.set('w', TensorData.from('int8', [channels, channels, 1, 1], new Int8Array(channels * channels)))
  for (let i = 0; i < layers; i++)
    graph.nodes.push(
      makeNode('DequantizeLinear', [`x${i}`, 'scale', 'zero'], [`f${i}`]),
      makeNode('DequantizeLinear', ['w', 'scale', 'weight zero'], [`w${i}`]),
      makeNode('Conv', [`f${i}`, `w${i}`], [`y${i}`], {}, { name: `conv${i}` }),
      makeNode('QuantizeLinear', [`y${i}`, 'scale', 'zero'], [`x${i + 1}`]),
    )
  return makeModel(graph, 17)
}

const time = (name: string, op: string, medianMs: number, bytes = 1000): NodeTime => ({
  name, op, provider: 'cpu', calls: 10, totalMs: 10 * medianMs, medianMs, bytes,
}) // prettier-ignore
const FAST = { sums: 'exact', text: 'adds products in 32 bits' } as const
const reasons = (times: NodeTime[], more: Partial<Parameters<typeof slowReasons>[0]> = {}): SlowReason[] =>
  slowReasons({
    quantized: integerModel(3),
    times,
    floatTimes: [time('conv0', 'Conv', 1)],
    kernels: FAST,
    bandwidth: 10e9,
    ...more,
  })
const ids = (list: SlowReason[]) => list.map((r) => r.id)

describe('why a quantized model is slow', () => {
  it('names layers that stayed in float, and what converts between them', () => {
    const found = reasons([
      time('conv0_token_1', 'QLinearConv', 0.1),
      time('conv1', 'FusedConv', 0.6),
      time('x1 out', 'DequantizeLinear', 0.3),
    ])
    expect(ids(found)).toEqual(['unfused', 'conversions'])
    expect(found[0]!.text).toMatch(/1 of 3 layers .*'conv1'/)
    expect(found[0]!.share).toBeCloseTo(0.6, 10)
    expect(found[1]!.share).toBeCloseTo(0.3, 10)
  })

  it('tells an old processor from a new one', () => {
    const times = [time('conv0', 'QLinearConv', 0.5), time('conv1', 'QLinearConv', 0.5)]
    const old = { sums: 'pairs', text: 'this processor has no VNNI' } as const
    expect(ids(reasons(times, { kernels: old }))).toContain('no-vnni')
    expect(ids(reasons(times))).not.toContain('no-vnni')
  })

  it('sees that starting nodes takes the time', () => {
    const found = reasons(Array.from({ length: 30 }, (_, i) => time(`n${i}`, 'QLinearConv', 0.005)))
    expect(found[0]).toMatchObject({ id: 'tiny-layers', share: 1 })
  })

  it('sees that memory is waited for', () => {
    // 1 MB of weights in 0.1 ms is all that 10 GB/s can bring.
    const found = reasons([time('conv0', 'QLinearConv', 0.1)], { quantized: integerModel(1, 1000) })
    expect(ids(found)).toContain('memory-bound')
    expect(ids(reasons([time('conv0', 'QLinearConv', 0.1)], { quantized: integerModel(1, 10) }))).not.toContain('memory-bound')
  })

  it('says that weights alone make nothing faster', () => {
    const graph = makeGraph('weights')
    graph.initializers.set('w', TensorData.from('uint8', [16, 16], new Uint8Array(256)))
    graph.nodes = [makeNode('Cast', ['w'], ['f']), makeNode('MatMul', ['x', 'f'], ['y'], {}, { name: 'product' })]
    const quantized = makeModel(graph, 17)
    expect(isQuantized(quantized)).toBe(true)
    expect(ids(reasons([time('product', 'MatMul', 1)], { quantized }))[0]).toBe('weights-only')
  })

  it('always has a reason', () => {
    expect(reasons([time('conv0', 'QLinearConv', 0.2)], { floatTimes: [time('conv0', 'Conv', 0.2)] })).toMatchObject([
      { id: 'no-gain' },
    ])
    expect(reasons([])).toHaveLength(1)
  })
})

describe('benchmark', () => {
  it('states reasons exactly where a quantized model is hardly faster', { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stillroom-slow-'))
    try {
      const float = makeGraph('float')
      float.inputs = [{ name: 'x0', type: tensorType('float32', [1, 4, 8, 8]) }]
      float.outputs = [{ name: 'y', type: tensorType('float32') }]
      float.initializers.set('w', TensorData.from('float32', [4, 4, 1, 1], new Float32Array(16).fill(0.1)))
      float.nodes = [makeNode('Conv', ['x0', 'w'], ['y'], {}, { name: 'conv0' })]
      const paths = ['quantized', 'float'].map((name) => join(folder, `${name}.onnx`)) as [string, string]
      writeFileSync(paths[0], encodeModel(integerModel(6)))
      writeFileSync(paths[1], encodeModel(makeModel(float, 17)))
      // Six layers beside one: slower, whatever the machine.
      const slower = await benchmarkModels({ paths, repeats: 20, threads: 1, memory: false })
      expect(slower.slow).toMatchObject({ path: paths[0] })
      expect(slower.slow!.speedup).toBe(slower.ratio!.median)
      expect(slower.slow!.reasons.length).toBeGreaterThan(0)
      const same = await benchmarkModels({ paths: [paths[1], paths[1]], repeats: 5, threads: 1, memory: false })
      expect(same.slow).toBeUndefined()
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
