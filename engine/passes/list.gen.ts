/** The lowerings. Generated from the files of this folder by `npm run gen`; do not edit. */
import { convBlocked, convGradInputBlocked, convGradWeightBlocked } from './lower/blocked.ts'
import { convAsMatMul, convGradWeightAsMatMul, convGradInputAsConvTranspose, convGradInputByTaps } from './lower/conv.ts'
import { batchNormKernel, stopGradient } from './lower/norm.ts'
import {
  maxPoolGradDisjoint,
  maxPoolGradScatter,
  maxPoolSelectGather,
  averagePoolAsConv,
  globalAveragePoolAsMean,
} from './lower/pool.ts'
import type { Lowering } from './lowering.ts'

export const lowerings: readonly Lowering[] = [
  convBlocked,
  convGradInputBlocked,
  convGradWeightBlocked,
  convAsMatMul,
  convGradWeightAsMatMul,
  convGradInputAsConvTranspose,
  convGradInputByTaps,
  batchNormKernel,
  stopGradient,
  maxPoolGradDisjoint,
  maxPoolGradScatter,
  maxPoolSelectGather,
  averagePoolAsConv,
  globalAveragePoolAsMean,
]
