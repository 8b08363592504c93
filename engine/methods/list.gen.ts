/** The methods. Generated from the files of this folder by `npm run gen`; do not edit. */
import hintonKd from './kd-response/hintonKd.ts'

export const methods = [hintonKd]
