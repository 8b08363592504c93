export type * from './types.ts'
export { arrayDataSet } from './arrayDataSet.ts'
export { inspectDataSet, openDataSet } from './openDataSet.ts'
export { makeSplits, type SplitOptions } from './splits.ts'
export { defineReader, type Reader, type Source } from './reader.ts'
export { readers } from './readers/list.gen.ts'
export {
  applyPreprocess,
  channelCount,
  defaultPreprocess,
  fitImages,
  inputShape,
  normalisePixels,
  parsePreprocess,
  preprocessSchema,
  type Preprocess,
} from './preprocess.ts'
export {
  batchInputs,
  completePreprocess,
  describeFront,
  frontEnd,
  inputsOf,
  isImagePreprocess,
  parseAnyPreprocess,
  type AnyPreprocess,
} from './front.ts'
export type { FrontEnd } from './front/frontEnd.ts'
export { defineAugment, withOptions, type AugmentDefinition } from './augment.ts'
export { augmentations } from './augment/list.gen.ts'
export { batchesAhead, type AheadBatcher, type AheadOptions } from './ahead.ts'
export { makeBatcher, sequential, type BatcherOptions, type SamplesOptions } from './batcher.ts'
export {
  hintsFromMetadata,
  pixelStatistics,
  PROBES,
  probePictures,
  rankNormalisations,
  scoreNormalisation,
  usualNormalisations,
  type Normalisation,
  type NormalisationScore,
  type Probe,
  type RankedNormalisation,
} from './normalisation.ts'
export { findOutputCache, writeOutputCache, type OutputCache, type OutputCacheKey, type OutputCacheWriter } from './outputCache.ts'
