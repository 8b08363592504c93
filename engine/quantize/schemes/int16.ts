import { defineScheme } from '../scheme.ts'

/** ONNX Runtime has no kernels for it on CPUs and computes between the pairs in float: for accelerators, and to see what 8 bits cost. */
export default defineScheme({
  id: 'int16',
  title: 'int8 weights, int16 activations (S16S8)',
  precision: 'int16',
  weightBits: 8,
  activationBits: 16,
  saturates: false,
  activations: { dtype: 'int16', low: -32768, high: 32767 },
  weights: { dtype: 'int8', low: -127, high: 127 },
})
