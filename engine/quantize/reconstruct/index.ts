export { reconstruct, type Reconstruction, type ReconstructOptions } from './reconstruct.ts'
export { blockSegments, layerSegments, type Segment } from './segments.ts'
export { hardLevels, nearestLevels, rectifiedNumber, startOf, valuesOf, type GridWeight } from './soft.ts'
