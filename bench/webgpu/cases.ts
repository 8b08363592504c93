import type { Model } from '../../engine/ir/index.ts'
import { buildTemplate } from '../../engine/students/index.ts'
import type { Task } from '../../engine/train/index.ts'

/** A training small enough for a software device. */
export interface Case {
  readonly name: string
  readonly title: string
  /** Inputs of one batch; the first leads with the batch. */
  readonly inputs: readonly { name: string; shape: readonly number[] }[]
  readonly classes: number
  readonly task: Task
  readonly optimizer: 'sgd' | 'adamw'
  /** Words that there are, for texts. */
  readonly vocabulary?: number
  /** A frozen network of the student's shape inside the step. */
  readonly distilled?: boolean
  build(seed: number): Model
}

const picture = (batch: number, ...shape: number[]) => [{ name: 'x', shape: [batch, ...shape] }]
const words = (batch: number, length: number) =>
  ['input_ids', 'attention_mask', 'token_type_ids'].map((name) => ({ name, shape: [batch, length] }))
const CLASS: Task = { kind: 'class' }

export const cases: readonly Case[] = [
  {
    name: 'cnn',
    title: 'convolutions with batch norm and max pooling, AdamW',
    inputs: picture(4, 1, 8, 8),
    classes: 4,
    task: CLASS,
    optimizer: 'adamw',
    build: (seed) => buildTemplate('small-cnn:0.5', { input: [1, 8, 8], classes: 4, seed }),
  },
  {
    name: 'transformer',
    title: 'one transformer block on image patches, AdamW',
    inputs: picture(2, 3, 8, 8),
    classes: 4,
    task: CLASS,
    optimizer: 'adamw',
    build: (seed) => buildTemplate('vit-tiny?patch=4&layers=1&width=32&heads=2', { input: [3, 8, 8], classes: 4, seed }),
  },
  {
    name: 'resnet-kd',
    title: 'residual network with a teacher in the step, SGD with momentum',
    inputs: picture(4, 3, 8, 8),
    classes: 4,
    task: CLASS,
    optimizer: 'sgd',
    distilled: true,
    build: (seed) => buildTemplate('resnet-8?width=0.5', { input: [3, 8, 8], classes: 4, seed }),
  },
  {
    // Not a MobileNet: at this size its last batch norms see two numbers, and two orders of summation on one CPU end 60 % apart.
    name: 'depthwise',
    title: 'depthwise and 1x1 convolutions with batch norm, SGD with momentum',
    inputs: picture(4, 1, 20, 10),
    classes: 4,
    task: CLASS,
    optimizer: 'sgd',
    build: (seed) => buildTemplate('ds-cnn', { input: [1, 20, 10], classes: 4, seed }),
  },
  {
    name: 'bert',
    title: 'one block on words: embeddings, mask, dropout, AdamW',
    inputs: words(2, 8),
    classes: 2,
    task: CLASS,
    optimizer: 'adamw',
    vocabulary: 20,
    build: (seed) =>
      buildTemplate('bert-mini?layers=1', { input: [8], classes: 2, seed, inputs: words(2, 8), kind: 'tokens', vocabulary: 20 }),
  },
  {
    name: 'unet',
    title: 'group norm, attention, resizing; a class of each pixel, AdamW',
    inputs: picture(2, 3, 16, 16),
    classes: 3,
    task: { kind: 'map' },
    optimizer: 'adamw',
    build: (seed) => buildTemplate('unet-small', { input: [3, 16, 16], classes: 3, seed, target: 'map', kind: 'image' }),
  },
  {
    name: 'lstm',
    title: 'an LSTM written out, AdamW',
    inputs: picture(2, 1, 6, 8),
    classes: 4,
    task: CLASS,
    optimizer: 'adamw',
    build: (seed) => buildTemplate('lstm-kws', { input: [1, 6, 8], classes: 4, seed }),
  },
]
