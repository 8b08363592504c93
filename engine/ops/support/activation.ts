import { ModelError } from '../../errors.ts'
import type { Tensor } from '../tensor.ts'

/** Attributes that ONNX Runtime's fused activations take, in the order of a fused convolution's `activation_params`. */
const PARAMETERS: Record<string, readonly string[]> = {
  Relu: [],
  Sigmoid: [],
  Tanh: [],
  Softplus: [],
  Softsign: [],
  LeakyRelu: ['alpha'],
  Elu: ['alpha'],
  ThresholdedRelu: ['alpha'],
  Selu: ['alpha', 'gamma'],
  HardSigmoid: ['alpha', 'beta'],
}

/**
 * The activation that a fused operator applies to its result, by its ONNX name; '' is none. Parameters are in the order of the table above,
 * and those left out have the standard's defaults. `Clip` takes its two bounds. Errors: ModelError for a name that no kernel fuses.
 */
export function activate(x: Tensor, name: string, parameters: readonly (number | undefined)[], where: string): Tensor {
  if (name === '') return x
  if (name === 'Clip') return x.clip(parameters[0] ?? -3.4028234663852886e38, parameters[1] ?? 3.4028234663852886e38)
  const names = PARAMETERS[name]
  if (!names)
    throw new ModelError(`unknown fused activation '${name}'`, {
      where,
      hint: `expected one of Clip, ${Object.keys(PARAMETERS).join(', ')}`,
    })
  const attrs = Object.fromEntries(names.flatMap((n, i) => (parameters[i] === undefined ? [] : [[n, parameters[i]]])))
  return x.emit(name, [], attrs)
}
