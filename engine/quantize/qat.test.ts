import { beforeAll, describe, expect, it } from 'vitest'
import { evaluator } from '../../tests/evaluate.ts'
import { defaultPreprocess, makeSplits, openDataSet, sequential, type DataSet, type Splits } from '../data/index.ts'
import type { Model, TensorData } from '../ir/index.ts'
import { findMethod } from '../methods/index.ts'
import { newBuilder } from '../ops/index.ts'
import { createSession, Value } from '../session/index.ts'
import { buildTemplate } from '../students/index.ts'
import { fit, logitsOf, toNet, withWeights, type Estimator, type FitOptions } from '../train/index.ts'
import { trainable } from '../train/student.ts'
import { prepareQat, type Qat } from './qat.ts'
import { samplesFor } from './samples.ts'

const SEED = 4
let dataset: DataSet
let splits: Splits
let float: Model
let preprocess: ReturnType<typeof defaultPreprocess>

const options = (more: Partial<FitOptions>): FitOptions => ({
  student: toNet(float, 'logits'),
  teacher: undefined,
  samples: { dataset, preprocess },
  splits,
  classes: 10,
  labelled: true,
  methods: [],
  steps: 160,
  batch: 32,
  lr: 3e-3,
  optimizer: 'adam',
  momentum: 0.9,
  weightDecay: 1e-4,
  schedule: 'cosine',
  warmup: 0,
  accumulate: 1,
  labelSmoothing: 0,
  augment: [],
  evalEvery: 0,
  checkpointEvery: Infinity,
  seed: SEED,
  threads: 1,
  provider: 'cpu',
  target: { provider: 'cpu', block: 1 },
  on: {},
  ...more,
})

async function accuracy(model: Model): Promise<number> {
  const { rows, classes } = await logitsOf({ model, logits: 'logits' }, { dataset, preprocess }, splits.test, { threads: 1 })
  const best = (n: number) => {
    const row = [...rows.subarray(n * classes, (n + 1) * classes)]
    return row.indexOf(Math.max(...row))
  }
  return [...splits.test].filter((i, n) => best(n) === dataset.labels![i]).length / splits.test.length
}

const prepare = (estimator: Estimator, bits: number): Promise<Qat> =>
  prepareQat(float, {
    estimator, bits, calibration: bits < 8 ? 'mse' : 'minmax', granularity: 'per-channel', reduceRange: false, freezeAfter: 0.5,
    relative: false, clipDecay: 1e-4, threads: 1,
    samples: samplesFor(float, { dataset, indices: splits.train.slice(0, 128), preprocess }),
  }) // prettier-ignore

const taught = async (qat: Qat, more: Partial<FitOptions> = {}) => {
  const method = findMethod('hinton-kd')
  const methods = [{ method, options: method.options.parse({ temperature: 2, alpha: 0.7 }) }]
  const net = toNet(qat.model, 'logits')
  return fit(
    options({ student: net, teacher: toNet(float, 'logits'), methods, qat: qat.rounding, optimizer: 'sgd', lr: 0.01, ...more }),
  )
}

beforeAll(async () => {
  dataset = await openDataSet(`builtin:glyphs?samples=1800&size=12&classes=10&difficulty=0.4&test=0.4&seed=${SEED}`, {
    labels: 'on',
  })
  splits = makeSplits(dataset, { seed: SEED, validationShare: 0 })
  preprocess = { ...defaultPreprocess(dataset), mean: [0.5], std: [0.5] }
  float = buildTemplate('small-cnn:0.5', { input: [1, 12, 12], classes: 10, seed: SEED })
  float = withWeights(float, (await fit(options({}))).weights)
})

describe('training as integers', () => {
  it('recovers four fifths of what rounding to 3 bits loses', { timeout: 60_000 }, async () => {
    const qat = await prepare('lsq', 3)
    const whole = await accuracy(float)
    const rounded = await accuracy(qat.rounding.realize(new Map()))
    expect(whole - rounded).toBeGreaterThan(0.02)
    const { weights } = await taught(qat)
    const trained = await accuracy((await qat.finish(weights)).model)
    expect((trained - rounded) / (whole - rounded)).toBeGreaterThan(0.8)
  })

  it.each([
    ['lsq', 8],
    ['lsq', 4],
    ['ste', 8],
    ['pact', 4],
  ] as const)('%s at %i bits: the file computes what the training saw', { timeout: 60_000 }, async (estimator, bits) => {
    const qat = await prepare(estimator, bits)
    const { weights } = await taught(qat, { steps: 12 })
    const state = (name: string): TensorData | undefined => weights.get(name.replace(/^(param|stat)\//, ''))
    const b = newBuilder()
    const net = toNet(qat.model, 'logits')
    const { value: batch } = await sequential({ dataset, indices: splits.test.slice(0, 64), batch: 64, preprocess })
      [Symbol.asyncIterator]()
      .next()
    const x = b.input('input', 'float32', batch!.inputs[0]!.shape)
    const held = (name: string, dims: readonly number[]) => b.inputs.find((t) => t.name === name) ?? b.input(name, 'float32', dims)
    const spec = { student: net, methods: [], qat: qat.rounding, frozen: true }
    const draw = () => expect.unreachable()
    const { values } = trainable(b, spec, new Map([['input', x]]), { held, masks: [], draw })
    const step = await evaluator([values.get('logits')!])
    const feeds = Object.fromEntries(b.inputs.map((t) => [t.name, t === x ? batch!.inputs[0]!.values : state(t.name)!.numbers()]))
    const [seen] = await step.run(feeds)
    const session = await createSession(qat.rounding.realize(weights), { threads: 1, name: 'file' })
    const { logits } = await session.run({ input: Value.from('float32', batch!.inputs[0]!.shape, batch!.inputs[0]!.values) })
    const file = [...(logits!.data as Float32Array)]
    const size = Math.max(...file.map(Math.abs))
    // A number that lies between two levels may fall on either side; its one step is a small part of an answer.
    const far = seen!.filter((v, i) => Math.abs(v - file[i]!) > 0.01 * size).length
    expect(far / file.length).toBeLessThan(bits === 8 ? 0.005 : 0.03)
    await step.release()
    await session.release()
  })

  it('moves statistics of batch norms until they freeze', { timeout: 60_000 }, async () => {
    const qat = await prepare('lsq', 8)
    const moved = async (freezeAfter: number) => {
      const { weights } = await taught({ ...qat, rounding: { ...qat.rounding, freezeAfter } }, { steps: 6 })
      const name = 'block0.bn.running_mean'
      return weights.get(name)!.numbers().some((v, i) => v !== float.graph.initializers.get(name)!.numbers()[i]) // prettier-ignore
    }
    expect(await moved(0)).toBe(false)
    expect(await moved(0.5)).toBe(true)
  })

  it('packs weights of 4 bits two to a byte', async () => {
    const { graph } = (await prepare('lsq', 4)).rounding.realize(new Map())
    const packed = [...graph.initializers.values()].filter((t) => t.dtype === 'int4' && t.size > 64)
    expect(packed.length).toBe(5)
    packed.forEach((t) => expect(t.bytes.length).toBe(Math.ceil(t.size / 2)))
  })
})
