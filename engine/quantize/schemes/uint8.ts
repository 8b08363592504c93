import { defineScheme } from '../scheme.ts'

export default defineScheme({
  id: 'uint8',
  title: 'int8 weights, uint8 activations (U8S8)',
  precision: 'uint8',
  weightBits: 8,
  activationBits: 8,
  activations: { dtype: 'uint8', low: 0, high: 255 },
  weights: { dtype: 'int8', low: -127, high: 127 },
})
