import { defineScheme } from '../scheme.ts'

/**
 * Activations are unsigned on purpose. Measured with ONNX Runtime 1.30 on x86: signed ones keep a network with residual connections
 * in float (it turns a value unsigned only where a single node reads it), slower than the float model; when allowed to stay signed
 * they run 12 times slower than these.
 */
export default defineScheme({
  id: 'int8',
  title: 'int8 weights, uint8 activations (U8S8)',
  precision: 'int8',
  weightBits: 8,
  activationBits: 8,
  saturates: true,
  activations: { dtype: 'uint8', low: 0, high: 255 },
  weights: { dtype: 'int8', low: -127, high: 127 },
})
