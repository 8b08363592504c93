import { sizeOf, TensorData } from '../../engine/ir/index.ts'
import { findMethod } from '../../engine/methods/index.ts'
import { findOptimizer, parseOptions } from '../../engine/optim/index.ts'
import { random } from '../../engine/random.ts'
import { copiesIn, createSession, fallbacksIn, Value, type Fallback, type Provider } from '../../engine/session/index.ts'
import { advance, compileStep, deviceOf, feedsOf, toNet, type Program, type StepSpec } from '../../engine/train/index.ts'
import type { Case } from './cases.ts'

const SEED = 1
const LR = 2e-3

/** What a training on a provider did. */
export interface Trained {
  nodes: number
  losses: number[]
  /** Parameters, statistics and moments after the last step. */
  state: Map<string, Float32Array>
  /** Seconds of each step; the first compiles the device's programs. */
  seconds: number[]
  /** Operators of the step that ran on the CPU although another provider was asked for, and copies between the two. */
  fallbacks: Fallback[]
  copies: number
  /** State tensors that a step answered, and how many of them were on the device after every step. */
  changes: number
  onDevice: number
}

/** The step as the trainer would compile it for a provider. */
function specOf(c: Case, provider: Provider): StepSpec {
  const optimizer = findOptimizer(c.optimizer)
  const kd = findMethod('hinton-kd')
  const [first] = c.inputs
  const batch = first!.shape[0]!
  const weightDecay = c.optimizer === 'adamw' ? 0.01 : 0
  return {
    student: toNet(c.build(SEED), 'logits'),
    teacher: c.distilled ? { net: toNet(c.build(SEED + 1), 'logits') } : undefined,
    inputs: c.inputs,
    targetShape: c.task.kind === 'map' ? [batch, ...first!.shape.slice(2)] : [batch, c.classes],
    task: c.task,
    methods: c.distilled ? [{ method: kd, options: kd.options.parse({}) }] : [],
    stage: '',
    optimizer,
    optimizerOptions: parseOptions(optimizer, c.optimizer === 'sgd' ? { momentum: 0.9 } : { weightDecay }) as Record<
      string,
      unknown
    >,
    weightDecay,
    momentum: 0.9,
    clip: 1,
    ema: false,
    labelSmoothing: 0,
    mode: 'both',
    accumulate: 1,
    target: { provider, block: 1 },
  }
}

/** Batches that depend on the step alone, so that every provider sees the same. */
function batchAt(c: Case, spec: StepSpec, program: Program, step: number): Record<string, Value> {
  const inputs = c.inputs.map(({ name, shape }, i) => {
    const values = new Float32Array(sizeOf(shape))
    const stream = random(SEED, 'input', i, step)
    if (c.vocabulary === undefined) stream.fillNormal(values)
    else
      values.forEach(
        (_, k) => (values[k] = i === 0 ? stream.int(k, c.vocabulary!) : i === 1 && k % shape[1]! < shape[1]! - 2 ? 1 : 0),
      )
    return { name, shape, values }
  })
  const y = new Float32Array(sizeOf(spec.targetShape!))
  const classes = random(SEED, 'target', step)
  if (c.task.kind === 'map') y.forEach((_, k) => (y[k] = classes.int(k, c.classes)))
  else for (let row = 0; row * c.classes < y.length; row++) y[row * c.classes + classes.int(row, c.classes)] = 1
  const feeds = feedsOf(program.inputs, inputs)
  for (const { name, shape, ratio } of program.masks) {
    const mask = random(SEED, 'mask', name, step).fillUniform(new Float32Array(sizeOf(shape)), 0, 1)
    feeds[name] = Value.of('float32', shape, mask.map((v) => (v < ratio ? 0 : 1 / (1 - ratio)))) // prettier-ignore
  }
  return { ...feeds, y: Value.of('float32', spec.targetShape!, y), lr: Value.from('float32', [], [LR]) }
}

function start(program: Program): Map<string, Value> {
  const state = new Map<string, Value>()
  for (const [name, { dims, init }] of program.state) {
    const data = new Float32Array(sizeOf(dims))
    if (init instanceof TensorData) data.set(init.numbers())
    state.set(name, Value.of('float32', dims, data))
  }
  return state
}

/** Trains for some steps. State goes round on the provider's device, and only the losses come back before the end. */
export async function train(c: Case, provider: Provider, steps: number): Promise<Trained> {
  const spec = specOf(c, provider)
  const program = compileStep(spec)
  const device = deviceOf(provider)
  const session = await createSession(program.model, {
    ...device.settings(program),
    provider,
    profile: true,
    threads: 1,
    name: 'step',
  })
  const state = start(program)
  const made: Trained = {
    nodes: program.model.graph.nodes.length,
    losses: [],
    state: new Map(),
    seconds: [],
    fallbacks: [],
    copies: 0,
    changes: program.changes.length,
    onDevice: program.changes.length,
  }
  for (let step = 0; step < steps; step++) {
    const scalars = spec.optimizer.hostScalars?.(step, spec.optimizerOptions) ?? {}
    const feeds = { ...Object.fromEntries(state), ...batchAt(c, spec, program, step) }
    for (const [name, value] of Object.entries(scalars)) feeds[`optimizer/${name}`] = Value.from('float32', [], [value])
    const from = performance.now()
    const out = await session.run(feeds)
    made.seconds.push((performance.now() - from) / 1000)
    advance(program, state, out, { lr: LR, scalars })
    made.losses.push(Number(out['loss/total']!.data[0]))
    made.onDevice = Math.min(made.onDevice, program.changes.filter((name) => state.get(name)!.location !== 'cpu').length)
  }
  const times = session.profile()
  made.fallbacks = fallbacksIn(times, provider)
  made.copies = copiesIn(times)
  for (const [name, value] of await device.read(state)) made.state.set(name, Float32Array.from(value.data as Float32Array))
  await device.release()
  await session.release()
  return made
}
