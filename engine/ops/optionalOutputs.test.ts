import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { gradients } from '../autodiff/index.ts'
import { makeNode } from '../ir/index.ts'
import { encodeModel } from '../onnx/index.ts'
import { lower } from '../passes/index.ts'
import { newBuilder, type Builder, type Tensor } from './index.ts'

/**
 * Nodes that leave outputs out between others, as ONNX Runtime's optimizer writes them: the examples of rules cannot say that. Shapes and
 * gradients must be those of the outputs that are there.
 */

const numbers = (n: number, seed: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(3 * i + seed))

async function run(b: Builder, outputs: Record<string, Tensor>): Promise<Record<string, Float32Array>> {
  const lowered = lower(b, Object.values(outputs))
  const named = Object.fromEntries(Object.entries(outputs).map(([name, t]) => [name, lowered.at(t)]))
  const session = await InferenceSession.create(encodeModel(lowered.b.model(named)), { logSeverityLevel: 3, intraOpNumThreads: 1 })
  const feeds = Object.fromEntries(b.inputs.map((t, i) => [t.name, new OrtTensor('float32', numbers(t.size, i), t.shape)]))
  const result = await session.run(feeds)
  return Object.fromEntries(Object.entries(result).map(([name, t]) => [name, t.data as Float32Array]))
}

describe('outputs that are left out', () => {
  it.each(['SkipLayerNormalization', 'SkipSimplifiedLayerNormalization'])('%s with its sum', async (op) => {
    const b = newBuilder()
    const [x, skip] = ['x', 'skip'].map((name) => b.input(name, 'float32', [2, 3, 4])) as [Tensor, Tensor]
    const gamma = b.input('gamma', 'float32', [4])
    const node = makeNode(op, ['x', 'skip', 'gamma'], ['y', '', '', 'sum'], {}, { domain: 'com.microsoft', name: 'norm' })
    const y = b.emitNode(node, [x, skip, gamma])
    expect(y.map((t) => t.shape)).toEqual([
      [2, 3, 4],
      [2, 3, 1],
      [2, 3, 1],
      [2, 3, 4],
    ])
    // The sum's own gradient is 1 for both addends; the norm's is orthogonal to shifts, so it adds nothing to the total of a row.
    const [dx, dskip] = gradients(y[3]!.sum(), [x, skip]) as [Tensor, Tensor]
    const both = gradients(y[0]!.sum().add(y[3]!.sum()), [x])[0]!
    const found = await run(b, { total: y[3]!, dx, dskip, both })
    const expected = numbers(24, 0).map((v, i) => v + numbers(24, 1)[i]!)
    found.total!.forEach((v, i) => expect(v).toBeCloseTo(expected[i]!, 5))
    expect([...found.dx!, ...found.dskip!].every((v) => v === 1)).toBe(true)
    if (op === 'SkipLayerNormalization')
      for (let row = 0; row < 6; row++) expect(found.both!.slice(4 * row, 4 * row + 4).reduce((s, v) => s + v, 0)).toBeCloseTo(4, 4)
  })
})
