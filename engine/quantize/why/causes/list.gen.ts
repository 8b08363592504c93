/** The causes of a loss. Generated from the files of this folder by `npm run gen`; do not edit. */
import deadChannel from './dead-channel.ts'
import fewSamples from './few-samples.ts'
import outlierActivation from './outlier-activation.ts'
import saturation from './saturation.ts'
import sensitiveLayer from './sensitive-layer.ts'
import wrongPreprocessing from './wrong-preprocessing.ts'
import type { Cause } from '../cause.ts'

export const causes: readonly Cause[] = [deadChannel, fewSamples, outlierActivation, saturation, sensitiveLayer, wrongPreprocessing]
