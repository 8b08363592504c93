import { sequential, type DataSet, type Preprocess } from '../data/index.ts'
import { createSession, Value, type Provider } from '../session/index.ts'
import type { Net } from './program.ts'

export interface Samples {
  dataset: DataSet
  preprocess: Preprocess | undefined
}

/** Logits of samples, row by row in the order of `indices`. The model's batch dimension must be free. */
export async function logitsOf(
  net: Pick<Net, 'model' | 'input' | 'logits'>,
  samples: Samples,
  indices: Int32Array,
  options: { threads?: number | undefined; provider?: Provider; batch?: number; signal?: AbortSignal } = {},
): Promise<{ rows: Float32Array; classes: number }> {
  const session = await createSession(withOutput(net), {
    threads: options.threads,
    provider: options.provider ?? 'cpu',
    name: net.model.graph.name,
  })
  try {
    const parts: Float32Array[] = []
    let classes = 0
    for await (const batch of sequential({
      dataset: samples.dataset,
      indices,
      batch: options.batch ?? 128,
      preprocess: samples.preprocess,
    })) {
      options.signal?.throwIfAborted()
      const out = await session.run({ [net.input]: Value.of('float32', batch.shape, batch.x) }, [net.logits])
      const logits = out[net.logits]!
      classes = logits.size / batch.index.length
      parts.push(Float32Array.from(logits.data as Float32Array))
    }
    const rows = new Float32Array(indices.length * classes)
    let at = 0
    for (const part of parts) {
      rows.set(part, at)
      at += part.length
    }
    return { rows, classes }
  } finally {
    await session.release()
  }
}

/** The model with its logits as an output. */
function withOutput(net: Pick<Net, 'model' | 'logits'>): Net['model'] {
  const { model } = net
  if (model.graph.outputs.some((v) => v.name === net.logits)) return model
  const info = model.graph.values.get(net.logits) ?? {
    name: net.logits,
    type: { kind: 'tensor' as const, dtype: 'float32' as const, shape: undefined },
  }
  return { ...model, graph: { ...model.graph, outputs: [...model.graph.outputs, info] } }
}
