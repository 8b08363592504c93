export { gradcheck, type GradcheckOptions, type GradcheckResult } from './model.ts'
export {
  checkInBestPrecision,
  checkSubject,
  isMissingKernel,
  type Check,
  type CheckOptions,
  type OrderCheck,
  type Subject,
} from './check.ts'
export { compareSlopes, DOUBLE, SINGLE, SKIPPED_AT_MOST, TOLERANCE, type Precision } from './stencil.ts'
export { retype, tensorTo } from './retype.ts'
