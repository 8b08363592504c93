import { defineScheme } from '../scheme.ts'

/** What many accelerators take. ONNX Runtime runs it on x86 too, slower than `int8`. */
export default defineScheme({
  id: 'int8-signed',
  title: 'int8 weights and activations (S8S8)',
  precision: 'int8 signed',
  weightBits: 8,
  activationBits: 8,
  saturates: false,
  activations: { dtype: 'int8', low: -128, high: 127 },
  weights: { dtype: 'int8', low: -127, high: 127 },
})
