/** The rewrites. Generated from the files of this folder by `npm run gen`; do not edit. */
import dropIdentity from './drop-identity.ts'
import eliminateDead from './eliminate-dead.ts'
import foldBatchNorm from './fold-batch-norm.ts'
import type { Pass } from '../rewrite.ts'

export const rewrites: readonly Pass[] = [dropIdentity, eliminateDead, foldBatchNorm]
