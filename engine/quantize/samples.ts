import { sequential, type AnyPreprocess, type DataSet } from '../data/index.ts'
import { fedInputs } from '../inspect/index.ts'
import type { Model } from '../ir/index.ts'
import { bindInputs, feedsOf } from '../train/index.ts'
import type { Samples } from './calibrate.ts'

export interface CalibrationData {
  dataset: DataSet
  /** Samples of the training share, in the order they are used. */
  indices: Int32Array
  preprocess?: AnyPreprocess | undefined
  /** Samples in a batch; a model with a fixed batch gets its own, and what does not fill one is left out. */
  batch?: number | undefined
}

/**
 * Feeds of a model, made from a data set.
 * Errors: ModelError for inputs that the data has nothing for.
 */
export function samplesFor(model: Model, { dataset, indices, preprocess, batch = 16 }: CalibrationData): Samples {
  const [first] = fedInputs(model.graph)
  const fixed = first?.type?.kind === 'tensor' && typeof first.type.shape?.[0] === 'number' ? first.type.shape[0] : undefined
  const size = fixed ?? batch
  return async function* () {
    for await (const { inputs, shape } of sequential({ dataset, indices, preprocess, batch: size })) {
      if (fixed !== undefined && shape[0] !== fixed) continue
      yield feedsOf(bindInputs(model.graph, inputs), inputs)
    }
  }
}
