import type { Model } from '../../ir/index.ts'
import { IntegerReader } from '../integers.ts'
import type { Choices } from './evidence.ts'

/** Where `quantize` keeps in the file how it was made. */
export const QUANTIZATION_KEY = 'stillroom.quantization'

/** How an integer model was made: what its file says, and for the rest what its numbers show. */
export function choicesOf(model: Model): Choices {
  const told = document(model.metadata.get(QUANTIZATION_KEY))
  const layers = new IntegerReader(model.graph).layers()
  const unsigned = layers.some((l) => l.weight.levels.dtype === 'uint8')
  const perChannel = layers.some((l) => l.weight.axis !== undefined)
  const largest = layers.reduce(
    (m, l) => Float64Array.from(l.weight.levels.numbers()).reduce((a, v) => Math.max(a, Math.abs(v)), m),
    0,
  )
  const samples = told['calibrationSamples']
  const text = (name: string) => (typeof told[name] === 'string' ? told[name] : undefined)
  const number = (name: string) => (typeof told[name] === 'number' ? { [name]: told[name] } : {})
  return {
    scheme: text('scheme') ?? (unsigned ? 'uint8' : 'int8'),
    granularity: perChannel ? 'per-channel' : 'per-tensor',
    calibration: text('calibration') ?? 'minmax',
    ...(typeof samples === 'number' ? { calibrationSamples: samples } : {}),
    equalize: told['equalize'] === true,
    reduceRange: !unsigned && layers.length > 0 && largest <= 64,
    exclude: Array.isArray(told['exclude']) ? told['exclude'].map(String) : [],
    ...number('smooth'),
    ...number('roundingSteps'),
    ...(told['biasCorrection'] === true ? { biasCorrection: true } : {}),
    ...(told['symmetric'] === true ? { symmetric: true } : {}),
    ...(text('rounding') === undefined ? {} : { rounding: text('rounding') }),
  }
}

/** Whether the weights were trained further as integers: then they are not the float model's. */
export const wasTrained = (model: Model): boolean => document(model.metadata.get(QUANTIZATION_KEY))['qat'] !== undefined

function document(text: string | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? '{}')
    return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {}
  } catch {
    // Another program may use the key for something else.
    return {}
  }
}
