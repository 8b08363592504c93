/** The quantization schemes. Generated from the files of this folder by `npm run gen`; do not edit. */
import int8 from './int8.ts'
import uint8 from './uint8.ts'
import type { Scheme } from '../scheme.ts'

export const schemes: readonly Scheme[] = [int8, uint8]
