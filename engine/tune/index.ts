export { tune, planOf, type Answer } from './tune.ts'
export { makeTuner, readMeasured, type Measured, type Tuner } from './memory.ts'
