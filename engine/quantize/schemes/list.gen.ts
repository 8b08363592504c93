/** The quantization schemes. Generated from the files of this folder by `npm run gen`; do not edit. */
import int16 from './int16.ts'
import int8Signed from './int8-signed.ts'
import int8 from './int8.ts'
import uint8 from './uint8.ts'
import type { Scheme } from '../scheme.ts'

export const schemes: readonly Scheme[] = [int16, int8Signed, int8, uint8]
