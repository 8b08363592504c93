import type { IntegerMaker } from '../train/index.ts'
import { toHalfPrecision } from './half.ts'
import { quantizeModel } from './quantizeModel.ts'

/** Integer models for the checks of methods: int8 with ranges by minimum and maximum, and half precision where integers are not wanted. */
export const integersForLab: IntegerMaker = async (model, samples, half) => {
  const made = await quantizeModel(model, { samples, exclude: half, account: false, threads: 1 })
  const layers = made.layers.filter((l) => l.reason === undefined).map((l) => l.name)
  if (!half.length) return { model: made.model, layers }
  const rest = await toHalfPrecision(made.model, { samples, threads: 1 })
  return { model: rest.model, layers }
}
