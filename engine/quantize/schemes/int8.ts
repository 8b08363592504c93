import { defineScheme } from '../scheme.ts'

export default defineScheme({
  id: 'int8',
  title: 'int8 weights and activations (S8S8)',
  precision: 'int8',
  weightBits: 8,
  activationBits: 8,
  activations: { dtype: 'int8', low: -128, high: 127 },
  weights: { dtype: 'int8', low: -127, high: 127 },
})
