import { TensorData } from '../../engine/ir/index.ts'
import { random } from '../../engine/random.ts'
import type { Workload } from './workloads.ts'

/** One batch: inputs by name as numbers, and a class of each sample or pixel. */
export interface TrainBatch {
  inputs: Record<string, Float32Array>
  labels: Float32Array
}

export const BATCHES = 8
const size = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1)

/** Batches that both sides train on in turn: normal pictures, random words (a fifth of each text is padding), random classes. */
export function batchesOf(w: Workload): TrainBatch[] {
  return Array.from({ length: BATCHES }, (_, i) => {
    const inputs: Record<string, Float32Array> = {}
    for (const { name, shape } of w.inputs) {
      const draws = random(7, w.name, name, i)
      const values = new Float32Array(size(shape))
      if (name === 'input_ids') draws.fillUniform(values, 0, w.vocabulary).forEach((v, at) => (values[at] = Math.floor(v)))
      else if (name === 'attention_mask') values.forEach((_, at) => (values[at] = at % shape[1]! < 0.8 * shape[1]! ? 1 : 0))
      else if (name === 'x') draws.fillNormal(values)
      inputs[name] = values
    }
    const [first] = w.inputs
    const labels = new Float32Array(w.task.kind === 'map' ? w.batch * size(first!.shape.slice(2)) : w.batch)
    random(7, w.name, 'labels', i).fillUniform(labels, 0, w.classes)
    labels.forEach((v, at) => (labels[at] = Math.floor(v)))
    return { inputs, labels }
  })
}

/** Everything that the peer needs, as arrays of one file. */
export function arraysOf(w: Workload, batches: readonly TrainBatch[]): Record<string, TensorData> {
  const out: Record<string, TensorData> = {}
  for (const [name, data] of w.student().graph.initializers) if (data.dtype === 'float32') out[`student/${name}`] = data
  for (const [name, data] of w.teacher?.().graph.initializers ?? []) if (data.dtype === 'float32') out[`teacher/${name}`] = data
  batches.forEach((batch, i) => {
    for (const { name, shape } of w.inputs) out[`batch${i}/${name}`] = TensorData.of('float32', shape, batch.inputs[name]!)
    out[`batch${i}/labels`] = TensorData.of('float32', [batch.labels.length], batch.labels)
  })
  return out
}
