/** The augmentations. Generated from the files of this folder by `npm run gen`; do not edit. */
import colourJitter from './colourJitter.ts'
import cutmix from './cutmix.ts'
import erasing from './erasing.ts'
import flip from './flip.ts'
import mixup from './mixup.ts'
import paddedCrop from './paddedCrop.ts'
import randomResizedCrop from './randomResizedCrop.ts'
import type { AugmentDefinition } from '../augment.ts'

export const augmentations: readonly AugmentDefinition[] = [
  colourJitter,
  cutmix,
  erasing,
  flip,
  mixup,
  paddedCrop,
  randomResizedCrop,
]
