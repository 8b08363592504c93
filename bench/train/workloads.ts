import type { InputSpec } from '../../engine/data/index.ts'
import type { Model } from '../../engine/ir/index.ts'
import type { Task } from '../../engine/train/index.ts'
import { buildTemplate } from '../../engine/students/index.ts'
import { cnn5, mobile } from './nets.ts'

/** One training to be timed on both sides. The peer's script knows the same names. */
export interface Workload {
  readonly name: string
  readonly batch: number
  /** The student's inputs, of one batch. */
  readonly inputs: readonly InputSpec[]
  readonly task: Task
  readonly classes: number
  /** Words that there are, for texts. */
  readonly vocabulary?: number
  readonly optimizer: 'sgd' | 'adamw'
  readonly lr: number
  /** A frozen network inside the step, and the loss of Hinton et al. 2015 with its defaults. */
  readonly teacher?: () => Model
  /** Convolutional and distilled: has a goal of its own. */
  readonly distilled?: boolean
  /** Losses are compared with the peer's over many steps. */
  readonly checked?: boolean
  student(): Model
}

const SEED = 1
const image = (batch: number, channels: number, side: number): InputSpec[] => [{ name: 'x', shape: [batch, channels, side, side] }]
const PICTURE = { input: [3, 32, 32], classes: 10 }
const teacher = (): Model => buildTemplate('resnet-8?width=4', { ...PICTURE, seed: SEED + 1 })
const TEXT = { batch: 32, length: 64, vocabulary: 8000 }
const texts: InputSpec[] = ['input_ids', 'attention_mask', 'token_type_ids'].map((name) => ({
  name,
  shape: [TEXT.batch, TEXT.length],
}))

export const workloads: readonly Workload[] = [
  {
    name: 'cnn5',
    batch: 64,
    inputs: image(64, 3, 32),
    task: { kind: 'class' },
    classes: 10,
    optimizer: 'sgd',
    lr: 0.01,
    checked: true,
    student: () => cnn5(SEED),
  },
  {
    name: 'resnet8-kd',
    batch: 64,
    inputs: image(64, 3, 32),
    task: { kind: 'class' },
    classes: 10,
    optimizer: 'adamw',
    lr: 1e-3,
    teacher,
    distilled: true,
    checked: true,
    student: () => buildTemplate('resnet-8?width=2', { ...PICTURE, seed: SEED }),
  },
  {
    name: 'mobilenet-kd',
    batch: 64,
    inputs: image(64, 3, 32),
    task: { kind: 'class' },
    classes: 10,
    optimizer: 'adamw',
    lr: 1e-3,
    teacher,
    distilled: true,
    student: () => mobile(SEED),
  },
  {
    name: 'vit-tiny',
    batch: 64,
    inputs: image(64, 3, 32),
    task: { kind: 'class' },
    classes: 10,
    optimizer: 'adamw',
    lr: 3e-4,
    checked: true,
    student: () => buildTemplate('vit-tiny?patch=4&layers=6', { ...PICTURE, seed: SEED }),
  },
  {
    name: 'mlp',
    batch: 128,
    inputs: image(128, 3, 32),
    task: { kind: 'class' },
    classes: 10,
    optimizer: 'adamw',
    lr: 1e-3,
    student: () => buildTemplate('mlp:512,256', { ...PICTURE, seed: SEED }),
  },
  {
    name: 'unet-small',
    batch: 16,
    inputs: image(16, 3, 32),
    task: { kind: 'map' },
    classes: 4,
    optimizer: 'adamw',
    lr: 3e-4,
    student: () => buildTemplate('unet-small', { input: [3, 32, 32], classes: 4, seed: SEED, target: 'map', kind: 'image' }),
  },
  {
    name: 'bert-mini',
    batch: TEXT.batch,
    inputs: texts,
    task: { kind: 'class' },
    classes: 2,
    vocabulary: TEXT.vocabulary,
    optimizer: 'adamw',
    lr: 1e-4,
    student: () =>
      buildTemplate('bert-mini?dropout=0', {
        input: [TEXT.length],
        classes: 2,
        seed: SEED,
        inputs: texts,
        kind: 'tokens',
        vocabulary: TEXT.vocabulary,
      }),
  },
  {
    name: 'lstm-kws',
    batch: 64,
    inputs: [{ name: 'x', shape: [64, 1, 98, 40] }],
    task: { kind: 'class' },
    classes: 12,
    optimizer: 'adamw',
    lr: 1e-3,
    student: () => buildTemplate('lstm-kws', { input: [1, 98, 40], classes: 12, seed: SEED }),
  },
]
