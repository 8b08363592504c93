import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { makeGraph, makeModel, makeNode, TensorData, tensorType } from '../ir/index.ts'
import { encodeModel } from '../onnx/index.ts'
import { benchmarkModels, latencyOf, quantile, ratioOf } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'stillroom-benchmark-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** `layers` products of a vector with a size x size matrix. */
function products(name: string, size: number, layers: number): string {
  const graph = makeGraph(name)
  graph.inputs = [{ name: 'x', type: tensorType('float32', ['batch', size]) }]
  graph.outputs = [{ name: `y${layers}`, type: tensorType('float32', ['batch', size]) }]
  for (let i = 0; i < layers; i++) {
    graph.initializers.set(`w${i}`, TensorData.from('float32', [size, size], new Float32Array(size * size).fill(1 / size)))
    graph.nodes.push(makeNode('MatMul', [i ? `y${i}` : 'x', `w${i}`], [`y${i + 1}`], {}, { name: `product${i}` }))
  }
  const path = join(folder, `${name}.onnx`)
  writeFileSync(path, encodeModel(makeModel(graph, 17)))
  return path
}

describe('statistics', () => {
  it('interpolates quantiles between order statistics', () => {
    expect(quantile([1, 2, 3, 4, 5], 0.5)).toBe(3)
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5)
    expect(quantile([0, 10], 0.9)).toBe(9)
    expect(latencyOf([3, 1, 2])).toEqual({ mean: 2, p50: 2, p90: 2.8, p95: 2.9, p99: expect.closeTo(2.98, 10) as number })
  })

  it('pairs ratios by round, so that a slow minute does not show', () => {
    const drift = Array.from({ length: 40 }, (_, i) => 1 + i)
    const { median, ci95 } = ratioOf(
      drift,
      drift.map((t) => 2 * t),
    )
    expect(median).toBe(2)
    expect(ci95).toEqual([2, 2])
  })

  it('widens the interval with the noise', () => {
    const a = Array.from({ length: 30 }, () => 1)
    const b = Array.from({ length: 30 }, (_, i) => 2 + (i % 2 ? 0.5 : -0.5))
    const { median, ci95 } = ratioOf(a, b)
    expect(ci95[0]).toBeLessThan(median)
    expect(ci95[1]).toBeGreaterThan(median)
  })
})

describe('benchmark', () => {
  it('finds the model that does more work slower, layer by layer too', { timeout: 60_000 }, async () => {
    const small = products('small', 256, 1)
    const large = products('large', 256, 24)
    const rounds: number[] = []
    const r = await benchmarkModels({
      paths: [small, large],
      repeats: 15,
      batch: 32,
      threads: 1,
      layers: true,
      onProgress: (done) => rounds.push(done),
    })
    expect(rounds.at(-1)).toBe(15)
    expect(r.ratio!.median).toBeGreaterThan(3)
    expect(r.ratio!.ci95[0]).toBeLessThanOrEqual(r.ratio!.median)
    const [a, b] = r.models
    expect(a!.throughput).toBeCloseTo(32_000 / a!.latencyMs.p50, 6)
    expect(a!.layers!.map((l) => l.op)).toEqual(['MatMul'])
    expect(b!.layers!.length).toBe(24)
    // 24 matrices of 256 KiB must be in memory.
    expect(b!.peakBytes!).toBeGreaterThan(24 * 256 * 1024)
    expect(b!.peakBytes!).toBeGreaterThan(a!.peakBytes!)
    expect(r.device.threads).toBe(1)
  })

  it('stops when asked to', async () => {
    const stop = new AbortController()
    stop.abort()
    await expect(benchmarkModels({ paths: [products('stop', 8, 1)], memory: false, signal: stop.signal })).rejects.toMatchObject({
      code: 'interrupted',
    })
  })
})
