/** What the tests of the training loop share: a small separable task, and how to compare two trainings. */
import { arrayDataSet, makeSplits } from '../../data/index.ts'
import { random } from '../../random.ts'
import { buildTemplate } from '../../students/index.ts'
import type { Fit, FitOptions } from '../fit.ts'
import { toNet } from '../nets.ts'

interface Task {
  samples: number
  /** Of one sample. */
  shape: readonly [number, number, number]
  /** Spec of the template that learns. */
  student: string
  /** The label is the sign of the sum of the first number and this one. */
  second: number
}

/** Trainings of one network on normal rows whose label is the sign of a sum of two numbers: one thread, plain layout, AdamW. */
export function rowTraining({ samples, shape, student, second }: Task, usual: Partial<FitOptions>) {
  const size = shape.reduce((n, d) => n * d, 1)
  return (more: Partial<FitOptions> = {}): FitOptions => {
    const data = random(5, 'rows').fillNormal(new Float32Array(samples * size), 0, 1)
    const labels = Int32Array.from({ length: samples }, (_, i) => (data[i * size]! + data[i * size + second]! > 0 ? 1 : 0))
    const dataset = arrayDataSet({ name: 'rows', format: 'rows', shape: [...shape], data, labels })
    return {
      student: toNet(buildTemplate(student, { input: [...shape], classes: 2, seed: 1 }), 'logits'),
      teacher: undefined,
      samples: { dataset, preprocess: undefined },
      splits: makeSplits(dataset, { seed: 1 }),
      classes: 2,
      labelled: true,
      methods: [],
      steps: 8,
      batch: 16,
      lr: 0.02,
      optimizer: 'adamw',
      momentum: 0.9,
      weightDecay: 0.01,
      schedule: 'cosine',
      warmup: 2,
      accumulate: 1,
      labelSmoothing: 0.1,
      augment: [],
      evalEvery: 0,
      checkpointEvery: Infinity,
      seed: 3,
      threads: 1,
      provider: 'cpu',
      target: { provider: 'cpu', block: 1 },
      on: {},
      ...usual,
      ...more,
    }
  }
}

/** The trained weights, byte by byte. */
export const bits = (f: Fit): Record<string, string> =>
  Object.fromEntries([...f.weights].map(([name, t]) => [name, Buffer.from(t.bytes).toString('hex')]))
