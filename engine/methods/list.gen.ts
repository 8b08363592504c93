/** The methods. Generated from the files of this folder by `npm run gen`; do not edit. */
import compressedWav2Lip from './gan-compression/compressedWav2Lip.ts'
import fitnets from './kd-feature/fitnets.ts'
import dot from './kd-response/dot.ts'
import hintonKd from './kd-response/hintonKd.ts'
import luminetKd from './kd-response/luminetKd.ts'
import patientConsistentKd from './kd-response/patientConsistentKd.ts'
import ssld from './kd-response/ssld.ts'
import quantizedDistillation from './quantization/quantizedDistillation.ts'
import type { Method } from './method.ts'

export const methods: readonly Method[] = [
  compressedWav2Lip,
  fitnets,
  dot,
  hintonKd,
  luminetKd,
  patientConsistentKd,
  ssld,
  quantizedDistillation,
]
