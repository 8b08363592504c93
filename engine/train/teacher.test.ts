import { describe, expect, it } from 'vitest'
import { arrayDataSet, defaultPreprocess, makeSplits } from '../data/index.ts'
import { makeNode, tensorType, type Model } from '../ir/index.ts'
import { findMethod } from '../methods/index.ts'
import { random } from '../random.ts'
import { liveSessions } from '../session/index.ts'
import { buildTemplate } from '../students/index.ts'
import { augmentOf, fit, toNet, type FitOptions, type Net } from './index.ts'

const rows = 60
const noise = random(5, 'pixels').fillNormal(new Float32Array(rows * 6), 128, 50)
const dataset = arrayDataSet({
  name: 'images',
  format: 'images',
  shape: [2, 3, 1],
  data: Uint8Array.from(noise, (v) => Math.max(0, Math.min(255, v))),
})
const preprocess = defaultPreprocess(dataset)
const mlp = (seed: number) => toNet(buildTemplate('mlp:8', { input: [1, 2, 3], classes: 3, seed }), 'logits')
const teacher = mlp(9)

/** The teacher as an exporter with a fixed batch writes it. */
function ofBatch(net: Net, batch: number): Net {
  const { graph } = net.model
  const fixed = graph.inputs.map((v) =>
    v.type?.kind === 'tensor' ? { name: v.name, type: tensorType(v.type.dtype, [batch, ...v.type.shape!.slice(1)]) } : v,
  )
  const model: Model = { ...net.model, origin: undefined, graph: { ...graph, origin: undefined, inputs: fixed, values: new Map() } }
  return { ...net, model, group: batch }
}

/** The teacher behind a scaler (by one) of another operator set, which has no rule here and which ONNX Runtime computes. */
function scaled(net: Net): Net {
  const { graph } = net.model
  const scaler = makeNode(
    'Scaler',
    [net.logits],
    ['scaled'],
    { offset: { type: 'floats', value: [0, 0, 0] }, scale: { type: 'floats', value: [1, 1, 1] } },
    { domain: 'ai.onnx.ml' },
  )
  const outputs = graph.outputs.map((v) => ({ ...v, name: 'scaled' }))
  const opsets = new Map([...net.model.opsets, ['ai.onnx.ml', 1]])
  return {
    ...net,
    logits: 'scaled',
    model: {
      ...net.model,
      origin: undefined,
      opsets,
      graph: { ...graph, origin: undefined, nodes: [...graph.nodes, scaler], outputs },
    },
  }
}

async function weightsWith(net: Net, more: Partial<FitOptions> = {}): Promise<{ numbers: number[]; said: string[] }> {
  const said: string[] = []
  const { weights } = await fit({
    student: mlp(1),
    teacher: net,
    samples: { dataset, preprocess },
    splits: makeSplits(dataset, { seed: 1 }),
    classes: 3,
    labelled: false,
    methods: [{ method: findMethod('hinton-kd'), options: findMethod('hinton-kd').options.parse({}) }],
    steps: 12,
    batch: 8,
    lr: 0.02,
    optimizer: 'sgd',
    momentum: 0.9,
    weightDecay: 0,
    schedule: 'constant',
    warmup: 0,
    accumulate: 1,
    labelSmoothing: 0,
    augment: [augmentOf('mixup')],
    evalEvery: 6,
    checkpointEvery: 0,
    seed: 3,
    threads: 1,
    provider: 'cpu',
    target: { provider: 'cpu', block: 1 },
    on: { message: (_, text) => said.push(text) },
    ...more,
  })
  return { numbers: [...weights.values()].flatMap((t) => Array.from(t.numbers() as Float32Array)), said }
}

describe('a teacher of a fixed batch', () => {
  it.each([1, 3, 8])('of %i teaches as the same one of any batch does, on changing views', async (batch) => {
    const inside = await weightsWith(teacher)
    const apart = await weightsWith(ofBatch(teacher, batch))
    expect(inside.said).toEqual([])
    expect(apart.said.join()).toContain(`it takes ${batch} samples at a time`)
    apart.numbers.forEach((v, i) => expect(v).toBeCloseTo(inside.numbers[i]!, 5))
    const other = await weightsWith(ofBatch(mlp(10), batch))
    expect(Math.max(...other.numbers.map((v, i) => Math.abs(v - inside.numbers[i]!)))).toBeGreaterThan(0.01)
  })

  it('is refused by methods that compare layers', async () => {
    const method = findMethod('fitnets')
    await expect(
      weightsWith(ofBatch(teacher, 3), { methods: [{ method, options: method.options.parse({}) }] }),
    ).rejects.toMatchObject({
      code: 'unsupported',
    })
  })
})

describe('a teacher with an operator that has no rule', () => {
  it('teaches as the same one without it', async () => {
    const inside = await weightsWith(teacher)
    const apart = await weightsWith(scaled(teacher))
    expect(apart.said.join()).toContain('Scaler')
    apart.numbers.forEach((v, i) => expect(v).toBeCloseTo(inside.numbers[i]!, 5))
  })
})

it('leaves no session behind when a run is stopped', async () => {
  const before = liveSessions()
  const abort = new AbortController()
  const on = { step: (e: { step: number }) => e.step === 3 && abort.abort() }
  await expect(weightsWith(ofBatch(teacher, 3), { signal: abort.signal, on })).rejects.toMatchObject({ code: 'interrupted' })
  expect(liveSessions()).toBe(before)
})
