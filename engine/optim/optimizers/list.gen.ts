/** The optimizers. Generated from the files of this folder by `npm run gen`; do not edit. */
import adam from './adam.ts'
import adamw from './adamw.ts'
import lion from './lion.ts'
import sgd from './sgd.ts'
import type { Optimizer } from '../optimizer.ts'

export const optimizers: readonly Optimizer[] = [adam, adamw, lion, sgd]
