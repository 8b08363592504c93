export { exportPackage, packageName, type Package, type PackageFile, type PackageOptions, type Variant } from './exportPackage.ts'
export { mobileVerdicts, verdictOf, type Verdict } from './mobile.ts'
export { encodeNpy } from './npy.ts'
export { answers, maxAbsError } from './golden.ts'
