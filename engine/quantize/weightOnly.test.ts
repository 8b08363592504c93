import { describe, expect, it } from 'vitest'
import {
  intAttr,
  intsAttr,
  makeGraph,
  makeModel,
  makeNode,
  sizeOf,
  TensorData,
  tensorType,
  verify,
  type Model,
} from '../ir/index.ts'
import { decodeModel, encodeModel } from '../onnx/index.ts'
import { random } from '../random.ts'
import { createSession, Value, type Feeds } from '../session/index.ts'
import { cholesky, inverseFromCholesky } from './linalg.ts'
import { dequantized, type InputStatistics, type Matrix } from './rounder.ts'
import awq, { outputError } from './rounders/awq.ts'
import gptq from './rounders/gptq.ts'
import hqq from './rounders/hqq.ts'
import rtn from './rounders/rtn.ts'
import { quantizeWeights, type WeightOnlyOptions } from './weightOnly.ts'

const draw = random(5, 'weight-only')
let drawn = 0
const normals = (n: number, deviation = 1) => Float64Array.from({ length: n }, () => deviation * draw.normal(drawn++))
const normal = (dims: number[], deviation: number) => TensorData.from('float32', dims, normals(sizeOf(dims), deviation))

/** Inputs whose columns differ in size and depend on each other: what makes rounding methods differ. */
function statistics(columns: number, n = 400): InputStatistics {
  const mix = normals(columns * columns, 1 / Math.sqrt(columns))
  const gram = new Float64Array(columns * columns)
  const meanAbs = new Float64Array(columns)
  for (let k = 0; k < n; k++) {
    const z = normals(columns)
    const x = Float64Array.from({ length: columns }, (_, c) => {
      let sum = 0
      for (let j = 0; j < columns; j++) sum += mix[c * columns + j]! * z[j]!
      return (sum + 0.3) * (c % 7 === 0 ? 6 : 1)
    })
    for (let i = 0; i < columns; i++) {
      meanAbs[i]! += Math.abs(x[i]!) / n
      for (let j = 0; j < columns; j++) gram[i * columns + j]! += (x[i]! * x[j]!) / n
    }
  }
  return { gram: [gram], meanAbs }
}

const matrix = (rows: number, columns: number): Matrix => ({ rows, columns, values: normals(rows * columns, 0.2) })
const real = (r: ReturnType<typeof rtn.round>, w: Matrix, grid: { bits: 4 | 8; block: number }) =>
  dequantized(r, w, grid).map((v, i) => v / (r.columnScale?.[i % w.columns] ?? 1))

describe('roundings', () => {
  it('inverts by Cholesky', () => {
    const n = 12
    const gram = statistics(n).gram[0]!
    const inverse = inverseFromCholesky(cholesky(gram, n)!, n)
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        let dot = 0
        for (let k = 0; k < n; k++) dot += gram[i * n + k]! * inverse[k * n + j]!
        expect(dot).toBeCloseTo(i === j ? 1 : 0, 6)
      }
    expect(cholesky(Float64Array.from([1, 2, 2, 1]), 2)).toBeUndefined()
  })

  it('rounds to the nearest of the levels that the block spans', () => {
    const w = { rows: 1, columns: 4, values: Float64Array.from([-1, 0, 0.49, 2]) }
    const grid = { bits: 4 as const, block: 4 }
    const r = rtn.round(w, grid, undefined)
    expect([r.scale[0], r.zero[0], ...r.levels]).toEqual([Math.fround(0.2), 5, 0, 5, 7, 15])
  })

  it('keeps zeros exact and constant blocks finite', () => {
    const w = { rows: 2, columns: 2, values: Float64Array.from([0, 0, 0, 3]) }
    for (const rounder of [rtn, hqq])
      expect(Array.from(real(rounder.round(w, { bits: 8, block: 2 }, undefined), w, { bits: 8, block: 2 }))).toEqual([
        0,
        0,
        0,
        Math.fround(3 / 255) * 255,
      ])
  })

  it('gptq and awq change the output less than rounding to nearest, whichever the seed', () => {
    for (let k = 0; k < 3; k++) {
      const w = matrix(24, 64)
      const s = statistics(64)
      const grid = { bits: 4 as const, block: 32 }
      const error = (r: ReturnType<typeof rtn.round>) => outputError(w, real(r, w, grid), s.gram)
      const nearest = error(rtn.round(w, grid, s))
      expect(error(gptq.round(w, grid, s))).toBeLessThan(0.7 * nearest)
      expect(error(awq.round(w, grid, s))).toBeLessThan(0.9 * nearest)
    }
  })

  it('gptq is rounding to nearest where columns are independent', () => {
    const w = matrix(4, 16)
    const gram = new Float64Array(256)
    for (let i = 0; i < 16; i++) gram[i * 17] = 2
    const grid = { bits: 4 as const, block: 16 }
    const s = { gram: [gram], meanAbs: new Float64Array(16).fill(1) }
    expect(gptq.round(w, grid, s).levels).toEqual(rtn.round(w, grid, s).levels)
  })

  it('hqq lowers the norm that it minimises, with outliers above all', () => {
    const w = matrix(16, 64)
    for (let r = 0; r < 16; r++) w.values[r * 64 + 3] = 2.5
    const grid = { bits: 4 as const, block: 64 }
    const norm = (r: ReturnType<typeof rtn.round>) => real(r, w, grid).reduce((s, v, i) => s + Math.abs(v - w.values[i]!) ** 0.7, 0)
    expect(norm(hqq.round(w, grid, undefined))).toBeLessThan(norm(rtn.round(w, grid, undefined)))
  })
})

function model(): Model {
  const graph = makeGraph('layers')
  graph.inputs = [{ name: 'x', type: tensorType('float32', ['n', 3, 4, 4]) }]
  graph.outputs = [{ name: 'y', type: tensorType('float32', ['n', 10]) }]
  graph.initializers = new Map(
    Object.entries({
      w1: normal([16, 3, 3, 3], 0.3),
      w2: normal([16, 4, 3, 3], 0.2),
      w3: normal([256, 20], 0.1),
      b3: normal([20], 0.1),
      w4: normal([20, 33], 0.3),
      w5: normal([10, 33], 0.3),
      shape: TensorData.int64([0, -1]),
    }),
  )
  const pads = intsAttr([1, 1, 1, 1])
  graph.nodes = [
    makeNode('Conv', ['x', 'w1'], ['c1'], { pads }, { name: 'conv1' }),
    makeNode('Relu', ['c1'], ['r1']),
    makeNode('Conv', ['r1', 'w2'], ['c2'], { pads, group: intAttr(4) }, { name: 'grouped' }),
    makeNode('Reshape', ['c2', 'shape'], ['f']),
    makeNode('Gemm', ['f', 'w3', 'b3'], ['g3'], {}, { name: 'gemm' }),
    makeNode('Relu', ['g3'], ['r3']),
    makeNode('MatMul', ['r3', 'w4'], ['m4'], {}, { name: 'product' }),
    makeNode('Gemm', ['m4', 'w5'], ['y'], { transB: intAttr(1) }, { name: 'last' }),
  ]
  return makeModel(graph, 17)
}

const feeds = (seed: number): Feeds => {
  const data = new Float32Array(4 * 3 * 16)
  random(seed, 'x').fillNormal(data, 0, 1)
  return { x: Value.of('float32', [4, 3, 4, 4], data) }
}
async function* batches() {
  for (let k = 0; k < 4; k++) yield feeds(k)
}
const outputs = async (m: Model, x: Feeds) => {
  const session = await createSession(decodeModel(encodeModel(m)), { threads: 1 })
  try {
    return Array.from((await session.run(x)).y!.data as Float32Array)
  } finally {
    await session.release()
  }
}
const distance = (a: readonly number[], b: readonly number[]) =>
  Math.sqrt(a.reduce((s, v, i) => s + (v - b[i]!) ** 2, 0) / a.reduce((s, v) => s + v * v, 0))

describe('weight-only models', () => {
  const float = model()
  const quantize = (o: Partial<WeightOnlyOptions>) => quantizeWeights(float, { bits: 8, samples: batches, threads: 1, ...o })

  it.each([
    [8, 'rtn', 32, 0.02],
    [8, 'hqq', 0, 0.03],
    [4, 'rtn', 32, 0.25],
    [4, 'gptq', 32, 0.2],
    [4, 'awq', 16, 0.25],
    [4, 'hqq', 64, 0.3],
  ] as const)('%i bits by %s in blocks of %i run in ONNX Runtime', async (bits, rounding, block, within) => {
    const { model: small, layers } = await quantize({ bits, rounding, block })
    expect(verify(small).map((p) => p.message)).toEqual([])
    expect(layers.map((l) => l.precision)).toEqual(Array<string>(5).fill(`w${bits} ${rounding}`))
    // A zero point between two levels has no place in the kernel's packed ones.
    expect(small.graph.nodes.filter((n) => n.op === 'MatMulNBits').length).toBe(rounding === 'hqq' ? 0 : 3)
    expect(distance(await outputs(float, feeds(9)), await outputs(small, feeds(9)))).toBeLessThan(within)
    expect(encodeModel(small).length).toBeLessThan(encodeModel(float).length * (bits === 4 ? 0.45 : 0.55))
  })

  it('leaves out what is excluded by name or expression, and says so', async () => {
    const { layers } = await quantize({ exclude: ['gemm', '/^conv/'] })
    expect(layers.map((l) => l.reason)).toEqual(["excluded by '/^conv/'", undefined, "excluded by 'gemm'", undefined, undefined])
    await expect(quantize({ exclude: ['/(/'] })).rejects.toMatchObject({ code: 'option', where: 'exclude' })
  })

  it('refuses unknown roundings and odd blocks', async () => {
    await expect(quantize({ rounding: 'floor' })).rejects.toMatchObject({ where: 'rounding' })
    await expect(quantize({ block: 24 })).rejects.toMatchObject({ where: 'block' })
  })
})
