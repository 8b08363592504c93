/** The lowerings. Generated from the files of this folder by `npm run gen`; do not edit. */
import { convBlocked, convGradInputBlocked, convGradInputStridedBlocked, convGradWeightBlocked } from './lower/blockedConv.ts'
import { depthwiseBlocked, depthwiseGradInputBlocked, depthwiseGradWeightBlocked } from './lower/blockedDepthwise.ts'
import { elementwiseBlocked, channelwiseBlocked, imagewiseBlocked, rectifierMask } from './lower/blockedElementwise.ts'
import { batchNormBlocked, batchNormGradBlocked } from './lower/blockedNorm.ts'
import { maxPoolBlocked, maxPoolGradBlocked } from './lower/blockedPool.ts'
import { reduceBlocked, globalAveragePoolBlocked, expandBlocked } from './lower/blockedReduce.ts'
import { convAsMatMul, convGradWeightAsMatMul, convGradInputAsConvTranspose, convGradInputByTaps } from './lower/conv.ts'
import { shrinkInDouble, contribInDouble, attentionInDouble } from './lower/double.ts'
import {
  spatialInDouble,
  lrnShared,
  col2ImAnywhere,
  groupNormalizationAnywhere,
  layerNormalizationInDouble,
  batchNormalizationTraining,
} from './lower/expansions.ts'
import { batchNormKernel, stopGradient } from './lower/norm.ts'
import { maxPoolGradDisjoint, maxPoolGradScatter, maxPoolSelectGather, globalAveragePoolAsMean } from './lower/pool.ts'
import { lstm, gru, rnn } from './lower/recurrent.ts'
import { standardizeKernel } from './lower/standardize.ts'
import type { Lowering } from './lowering.ts'

export const lowerings: readonly Lowering[] = [
  convBlocked,
  convGradInputBlocked,
  convGradInputStridedBlocked,
  convGradWeightBlocked,
  depthwiseBlocked,
  depthwiseGradInputBlocked,
  depthwiseGradWeightBlocked,
  elementwiseBlocked,
  channelwiseBlocked,
  imagewiseBlocked,
  rectifierMask,
  batchNormBlocked,
  batchNormGradBlocked,
  maxPoolBlocked,
  maxPoolGradBlocked,
  reduceBlocked,
  globalAveragePoolBlocked,
  expandBlocked,
  convAsMatMul,
  convGradWeightAsMatMul,
  convGradInputAsConvTranspose,
  convGradInputByTaps,
  shrinkInDouble,
  contribInDouble,
  attentionInDouble,
  spatialInDouble,
  lrnShared,
  col2ImAnywhere,
  groupNormalizationAnywhere,
  layerNormalizationInDouble,
  batchNormalizationTraining,
  batchNormKernel,
  stopGradient,
  maxPoolGradDisjoint,
  maxPoolGradScatter,
  maxPoolSelectGather,
  globalAveragePoolAsMean,
  lstm,
  gru,
  rnn,
  standardizeKernel,
]
