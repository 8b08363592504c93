/** Runs tensors of a builder in ONNX Runtime, for tests of what graph builders build. */
import { lower } from '../engine/passes/index.ts'
import type { Tensor } from '../engine/ops/index.ts'
import { createSession, Value } from '../engine/session/index.ts'

export interface Evaluator {
  /** Numbers of each output, row-major, for the given numbers of each input (by name). */
  run(feeds: Readonly<Record<string, ArrayLike<number>>>): Promise<number[][]>
  release(): Promise<void>
}

/** Compiles `outputs`; their builder's inputs are the feeds. One thread, so that sums have one order. */
export async function evaluator(outputs: readonly Tensor[]): Promise<Evaluator> {
  const from = outputs[0]!.b
  const { b, at } = lower(from, outputs)
  const model = b.model(Object.fromEntries(outputs.map((t, i) => [`result_${i}`, at(t)])))
  const session = await createSession(model, { threads: 1 })
  return {
    async run(feeds) {
      const values = Object.fromEntries(from.inputs.map((t) => [t.name, Value.from(t.dtype, t.shape, feeds[t.name]!)]))
      const results = await session.run(values)
      return outputs.map((_, i) => Array.from(results[`result_${i}`]!.data, Number))
    },
    release: () => session.release(),
  }
}

/** One run of `outputs`. */
export async function evaluate(
  outputs: readonly Tensor[],
  feeds: Readonly<Record<string, ArrayLike<number>>>,
): Promise<number[][]> {
  const compiled = await evaluator(outputs)
  try {
    return await compiled.run(feeds)
  } finally {
    await compiled.release()
  }
}
