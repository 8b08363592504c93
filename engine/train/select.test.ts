import { describe, expect, it } from 'vitest'
import { arrayDataSet, makeSplits } from '../data/index.ts'
import { findMethod } from '../methods/index.ts'
import { random } from '../random.ts'
import { buildTemplate } from '../students/index.ts'
import type { Checkpoint } from './checkpoint.ts'
import { fit, type FitOptions } from './fit.ts'
import { augmentOf } from './lab.ts'
import { toNet } from './nets.ts'

const RATE = 0.01

/** 200 rows of 6 numbers, an untrained teacher, and ssld with the given options. */
function options(ssld: Record<string, unknown>, on: FitOptions['on'] = {}): FitOptions {
  const data = random(5, 'rows').fillNormal(new Float32Array(200 * 6), 0, 1)
  const dataset = arrayDataSet({ name: 'rows', format: 'rows', shape: [6, 1, 1], data })
  const net = (hidden: number, seed: number) =>
    toNet(buildTemplate(`mlp:${hidden}`, { input: [6, 1, 1], classes: 2, seed }), 'logits')
  const method = findMethod('ssld')
  return {
    student: net(8, 1),
    teacher: net(16, 9),
    samples: { dataset, preprocess: undefined },
    splits: makeSplits(dataset, { seed: 1, validationShare: 0 }),
    classes: 2,
    labelled: false,
    methods: [{ method, options: method.options.parse(ssld) }],
    steps: 20,
    batch: 16,
    lr: RATE,
    optimizer: 'adam',
    momentum: 0.9,
    weightDecay: 0,
    schedule: 'constant',
    warmup: 0,
    accumulate: 1,
    labelSmoothing: 0,
    augment: [],
    evalEvery: 0,
    checkpointEvery: 1,
    seed: 3,
    threads: 1,
    provider: 'cpu',
    target: { provider: 'cpu', block: 1 },
    on,
  }
}

describe('training', () => {
  it('uses the samples that the method chose, and says how many', async () => {
    const said: string[] = []
    expect((await fit(options({}))).samples).toBe(160)
    const chosen = await fit(options({ topPerClass: 20 }, { message: (_, text) => said.push(text) }))
    expect(chosen.samples).toBe(40)
    expect(said).toEqual(['40 of 160 training samples are used'])
  })

  it('begins each stage with moments of its own', async () => {
    const weights = new Map<number, ArrayLike<number>>()
    const checkpoint = (c: Checkpoint) =>
      weights.set(
        c.step,
        [...c.state].filter(([name]) => name.startsWith('param/')).flatMap(([, t]) => [...t.numbers()]),
      )
    await fit(options({ fineTuneShare: 0.5, fineTuneRate: 0.1 }, { checkpoint }))
    const moved = (from: number) => Math.max(...Array.from(weights.get(from)!, (p, i) => Math.abs(weights.get(from + 1)![i]! - p)))
    // The first step of Adam moves a weight by the rate, whatever its gradient; later ones by another amount.
    expect(moved(0 + 10) / (0.1 * RATE)).toBeCloseTo(1, 2)
    expect(Math.abs(moved(14) / (0.1 * RATE) - 1)).toBeGreaterThan(0.01)
  })

  it('takes words as options of an augmentation', () => {
    expect(() => augmentOf('mixup:coefficient=uniform')).not.toThrow()
    expect(() => augmentOf('mixup:coefficient=normal')).toThrow('beta')
  })
})
