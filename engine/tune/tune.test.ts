import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { newBuilder, type Tensor } from '../ops/index.ts'
import { lower, type Question } from '../passes/index.ts'
import { random } from '../random.ts'
import { createSession, Value } from '../session/index.ts'
import { makeTuner, readMeasured } from './memory.ts'
import { tune } from './tune.ts'

const ROWS = 2048

/** Every question that products of many rows raise. */
function questions(): Map<string, Question> {
  const b = newBuilder()
  const [x, d] = [b.input('x', 'float32', [ROWS, 5]), b.input('d', 'float32', [ROWS, 3])]
  const [w, v] = [b.input('w', 'float32', [5, 3]), b.input('v', 'float32', [3, 5])]
  const outputs = [x.matmul(w), x.gemm(v, { transB: true }), x.gemm(w), x.gemm(d, { transA: true })]
  const asked = new Map<string, Question>()
  lower(b, outputs, { provider: 'cpu', block: 1, ask: (q) => void asked.set(q.key, q) })
  return asked
}

/** a b in double, each factor turned where asked; `bias` is added to every row. */
function product(a: Value, b: Value, turn: readonly [boolean, boolean], bias?: Value): number[] {
  const at = (t: Value, turned: boolean, i: number, j: number) => Number(t.data[turned ? j * t.dims[1]! + i : i * t.dims[1]! + j])
  const [m, k, n] = [a.dims[turn[0] ? 1 : 0]!, a.dims[turn[0] ? 0 : 1]!, b.dims[turn[1] ? 0 : 1]!]
  return Array.from({ length: m * n }, (_, at_) => {
    const [i, j] = [Math.floor(at_ / n), at_ % n]
    let sum = bias ? Number(bias.data[j]) : 0
    for (let l = 0; l < k; l++) sum += at(a, turn[0], i, l) * at(b, turn[1], l, j)
    return sum
  })
}

describe('forms of products', () => {
  it.each([...questions()])('%s: all forms give the product', async (key, q) => {
    const feeds = q.inputs.map((dims, i) => {
      const data = random(3, key, i).fillNormal(new Float32Array(dims.reduce((n, d) => n * d, 1)))
      return Value.of('float32', dims, data)
    })
    const expected = product(feeds[0]!, feeds[1]!, [key.includes("a'"), key.includes("b'")], feeds[2])
    const size = Math.max(...expected.map(Math.abs))
    expect(Object.keys(q.forms).length).toBeGreaterThan(2)
    for (const [name, form] of Object.entries(q.forms)) {
      const b = newBuilder()
      const model = b.model({ y: form(...q.inputs.map((dims, i) => b.input(`x${i}`, 'float32', dims))) })
      const session = await createSession(model, { threads: 1 })
      const { y } = await session.run(Object.fromEntries(feeds.map((v, i) => [`x${i}`, v])))
      const worst = (y!.data as Float32Array).reduce((m, v, i) => Math.max(m, Math.abs(v - expected[i]!)), 0)
      expect(worst / size, name).toBeLessThan(1e-5)
      await session.release()
    }
  })
})

const chain = (n: number) => (x: Tensor) => Array.from({ length: n }).reduce<Tensor>((t) => t.sin(), x)
/** One form does ten times the work of the other. */
const uneven = (key: string): Question => ({ key, inputs: [[64, 256]], forms: { slow: chain(20), fast: chain(2) } })

describe('tuning', () => {
  it('takes the form that needs less time', async () => {
    const found = (await tune([uneven('a')], 1)).get('a')!
    expect(found.form).toBe('fast')
    expect(found.ms.slow!).toBeGreaterThan(found.ms.fast!)
  })

  it('measures once for a processor, thread count and version, and again what changed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stillroom-tune-'))
    const path = join(folder, 'deeper', 'tuning.json')
    const timed: number[] = []
    const tuner = (threads: number) => makeTuner(path, threads, (count) => timed.push(count))
    try {
      expect(await tuner(1)([uneven('a'), uneven('b')])).toEqual({ a: 'fast', b: 'fast' })
      expect(await tuner(1)([uneven('a'), uneven('c')])).toEqual({ a: 'fast', c: 'fast' })
      await tuner(1)([uneven('a')])
      expect(timed).toEqual([2, 1])
      await tuner(2)([uneven('a')])
      expect(timed).toEqual([2, 1, 1])
      expect(readMeasured(path).map((m) => [m.threads, Object.keys(m.answers)])).toEqual([[1, ['a', 'b', 'c']], [2, ['a']]]) // prettier-ignore
      // A form that no longer exists, a version of ONNX Runtime of another day, and a file that is none.
      writeFileSync(path, readFileSync(path, 'utf8').replaceAll('"fast"', '"gone"'))
      await tuner(1)([uneven('a')])
      writeFileSync(path, readFileSync(path, 'utf8').replaceAll(/"onnxruntime": "[^"]*"/g, '"onnxruntime": "0.1"'))
      await tuner(1)([uneven('a')])
      writeFileSync(path, '{')
      await tuner(1)([uneven('a')])
      expect(timed).toEqual([2, 1, 1, 1, 1, 1])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
