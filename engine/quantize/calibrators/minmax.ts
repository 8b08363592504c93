import { defineCalibrator } from '../calibrator.ts'

export default defineCalibrator({
  id: 'minmax',
  title: 'Smallest and largest value',
  why: 'Nothing is clipped; one outlier makes every step coarse.',
  range: (seen) => [seen.min, seen.max],
})
