import { expect, it } from 'vitest'
import { modelOf, noise, value } from '../../tests/onnxModels.ts'
import { arrayDataSet, makeSplits } from '../data/index.ts'
import { floatAttr, makeNode, TensorData, type Model } from '../ir/index.ts'
import { random } from '../random.ts'
import { fit, type FitOptions } from './fit.ts'
import { toNet } from './nets.ts'

/** A student that adds noise to its features, and drops some, in its own graph. */
function noisy(): Model {
  return modelOf(
    [
      makeNode('Flatten', ['x'], ['rows']),
      makeNode('MatMul', ['rows', 'w1'], ['h']),
      makeNode('RandomNormalLike', ['h'], ['e'], { scale: floatAttr(0.5) }),
      makeNode('Add', ['h', 'e'], ['he']),
      makeNode('Tanh', ['he'], ['a']),
      makeNode('Dropout', ['a', 'ratio', 'on'], ['d']),
      makeNode('MatMul', ['d', 'w2'], ['logits']),
    ],
    {
      inputs: [value('x', ['N', 4, 1, 1])],
      outputs: ['logits'],
      initializers: {
        w1: noise('float32', [4, 8], 1),
        w2: noise('float32', [8, 2], 2),
        ratio: TensorData.scalar('float32', 0.25),
        on: TensorData.scalar('bool', 1),
      },
    },
  )
}

async function losses(more: Partial<FitOptions> & { whole?: true } = {}): Promise<number[]> {
  const data = random(5, 'rows').fillNormal(new Float32Array(128 * 4))
  const labels = Int32Array.from({ length: 128 }, (_, i) => (data[i * 4]! > 0 ? 1 : 0))
  const dataset = arrayDataSet({ name: 'rows', format: 'rows', shape: [4, 1, 1], data, labels })
  const found: number[] = []
  const splits = makeSplits(dataset, { seed: 1 })
  await fit({
    student: toNet(noisy(), 'logits'),
    teacher: undefined,
    samples: { dataset, preprocess: undefined },
    splits,
    classes: 2,
    labelled: true,
    methods: [],
    steps: 12,
    batch: more.whole ? splits.train.length : 16,
    lr: 0.05,
    optimizer: 'sgd',
    momentum: 0,
    weightDecay: 0,
    schedule: 'constant',
    warmup: 0,
    accumulate: 1,
    labelSmoothing: 0,
    augment: [],
    evalEvery: 6,
    checkpointEvery: 0,
    seed: 3,
    threads: 1,
    provider: 'cpu',
    target: { provider: 'cpu', block: 1 },
    on: { step: (e) => found.push(e.losses.total!) },
    ...more,
  })
  return found
}

it('trains through noise that is the same in every run and another in every step', async () => {
  const first = await losses()
  expect(first.every(Number.isFinite)).toBe(true)
  expect(await losses()).toEqual(first)
  // Without learning, a batch of all training rows gives another loss by its noise alone; rounding is a thousand times less.
  const still = await losses({ lr: 0, whole: true, steps: 4, evalEvery: 0 })
  const sorted = still.toSorted((p, q) => p - q)
  for (let i = 1; i < 4; i++) expect(sorted[i]! - sorted[i - 1]!).toBeGreaterThan(1e-4)
})
