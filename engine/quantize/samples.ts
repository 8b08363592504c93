import { sequential, type DataSet, type Preprocess } from '../data/index.ts'
import { ModelError } from '../errors.ts'
import { fedInputs } from '../inspect/index.ts'
import { TensorData, type Model } from '../ir/index.ts'
import { Value } from '../session/index.ts'
import type { Samples } from './calibrate.ts'

export interface CalibrationData {
  dataset: DataSet
  /** Samples of the training share, in the order they are used. */
  indices: Int32Array
  preprocess?: Preprocess | undefined
  /** Samples in a batch; a model with a fixed batch gets its own, and what does not fill one is left out. */
  batch?: number | undefined
}

/**
 * Feeds of a model with one input, made from a data set.
 * Errors: ModelError for several inputs, or shapes that the samples do not fit.
 */
export function samplesFor(model: Model, { dataset, indices, preprocess, batch = 16 }: CalibrationData): Samples {
  const inputs = fedInputs(model.graph)
  const [input] = inputs
  if (inputs.length !== 1 || input?.type?.kind !== 'tensor')
    throw new ModelError(`expected a model with one tensor input, found ${inputs.map((v) => v.name).join(', ') || 'none'}`, {
      hint: 'data sets hold one tensor a sample',
    })
  const { dtype, shape } = input.type
  const fixed = typeof shape?.[0] === 'number' ? shape[0] : undefined
  const size = fixed ?? batch
  return async function* () {
    for await (const { x, shape: dims } of sequential({ dataset, indices, preprocess, batch: size })) {
      if (fixed !== undefined && dims[0] !== fixed) continue
      const tensor = TensorData.of('float32', dims, x).as(dtype)
      yield { [input.name]: Value.fromTensor(tensor) }
    }
  }
}
