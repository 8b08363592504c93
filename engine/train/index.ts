export * from './checkpoint.ts'
export * from './fit.ts'
export * from './logits.ts'
export * from './parameters.ts'
export * from './program.ts'
export * from './formula.ts'
export * from './groups.ts'
export * from './lab.ts'
export * from './nets.ts'
export * from './bindInputs.ts'
export * from './measure.ts'
export * from './task.ts'
export {
  finalStep,
  finalWeightSteps,
  type Estimator,
  type FakeQuantization,
  type LayerGrid,
  type ValueGrid,
} from './fakeQuantize.ts'
export * from './inPlace.ts'
export { deviceOf, type Device } from './device.ts'
export type { InPlaceUpdate } from './finish.ts'
export * from './tuning.ts'
