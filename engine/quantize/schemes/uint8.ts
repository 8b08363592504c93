import { defineScheme } from '../scheme.ts'

/** Never overflows, whatever the processor. */
export default defineScheme({
  id: 'uint8',
  title: 'uint8 weights and activations (U8U8)',
  precision: 'uint8',
  weightBits: 8,
  activationBits: 8,
  saturates: false,
  activations: { dtype: 'uint8', low: 0, high: 255 },
  weights: { dtype: 'uint8', low: 1, high: 255 },
})
