import { defineCalibrator } from '../calibrator.ts'

export default defineCalibrator({
  id: 'moving-average',
  title: "Moving average of the batches' ends",
  why: 'One unusual batch moves it little; depends on the order of the samples.',
  range: (seen) => [Math.max(seen.min, seen.averageMin), Math.min(seen.max, seen.averageMax)],
})
