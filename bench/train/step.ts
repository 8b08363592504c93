import { findMethod } from '../../engine/methods/index.ts'
import { findOptimizer, parseOptions } from '../../engine/optim/index.ts'
import { TensorData } from '../../engine/ir/index.ts'
import { createSession, Value, type NodeTime } from '../../engine/session/index.ts'
import {
  advance,
  compileTuned,
  feedsOf,
  toNet,
  updatePlace,
  type Program,
  type StepSpec,
  type UpdatePlace,
} from '../../engine/train/index.ts'
import { planOf, tune, type Tuner } from '../../engine/tune/index.ts'
import type { TrainBatch } from './data.ts'
import type { Plan } from '../../engine/passes/index.ts'
import type { Workload } from './workloads.ts'

/** The step as the trainer would compile it. */
export function specOf(w: Workload, block: number, update?: UpdatePlace): StepSpec {
  const optimizer = findOptimizer(w.optimizer)
  const weightDecay = w.optimizer === 'adamw' ? 0.01 : 0
  const options = w.optimizer === 'sgd' ? { momentum: 0.9 } : { weightDecay }
  const kd = findMethod('hinton-kd')
  const place = updatePlace({ optimizer, methods: [], provider: 'cpu', update })
  return {
    student: toNet(w.student(), 'logits'),
    teacher: w.teacher && { net: toNet(w.teacher(), 'logits') },
    inputs: w.inputs,
    targetShape: w.task.kind === 'map' ? [w.batch, ...w.inputs[0]!.shape.slice(2)] : [w.batch, w.classes],
    task: w.task,
    methods: w.teacher ? [{ method: kd, options: kd.options.parse({}) }] : [],
    stage: '',
    optimizer,
    optimizerOptions: parseOptions(optimizer, options) as Record<string, unknown>,
    weightDecay,
    momentum: 0.9,
    clip: undefined,
    ema: false,
    labelSmoothing: 0,
    mode: 'both',
    accumulate: 1,
    inPlace: place.place === 'native',
    target: { provider: 'cpu', block },
  }
}

/** Class numbers as the step takes them: one-hot rows, or the numbers of pixels. */
function targetOf(w: Workload, labels: Float32Array): Float32Array {
  if (w.task.kind === 'map') return labels
  const rows = new Float32Array(w.batch * w.classes)
  labels.forEach((label, at) => (rows[at * w.classes + label] = 1))
  return rows
}

export interface Stepper {
  readonly program: Program
  /** Forms of operators that were chosen here. */
  readonly plan: Plan
  /** Trains on the next batch; the loss before. */
  step(): Promise<number>
  profile(): NodeTime[]
  release(): Promise<void>
}

/** A training of a workload, ready to step through the batches in turn. */
export async function openStep(
  w: Workload,
  batches: readonly TrainBatch[],
  o: {
    block: number
    threads: number
    update?: UpdatePlace | undefined
    tune?: boolean | undefined
    profile?: boolean | undefined
  },
): Promise<Stepper> {
  const spec = specOf(w, o.block, o.update)
  const tuner: Tuner = async (questions) => planOf(await tune(questions, o.threads))
  const { program, plan } = await compileTuned(spec, {}, o.tune === false ? undefined : tuner)
  const session = await createSession(program.model, { threads: o.threads, profile: o.profile, name: 'step' })
  const feeds = batches.map(({ inputs, labels }) => ({
    ...feedsOf(
      program.inputs,
      spec.inputs.map(({ name, shape }) => ({ name, shape, values: inputs[name]! })),
    ),
    y: Value.of('float32', spec.targetShape!, targetOf(w, labels)),
  }))
  const state = new Map<string, Value>()
  for (const [key, { dims, init }] of program.state) {
    const data = new Float32Array(dims.reduce((n, d) => n * d, 1))
    if (init instanceof TensorData) data.set(init.numbers())
    state.set(key, Value.of('float32', dims, data))
  }
  let at = 0
  return {
    program,
    plan,
    async step() {
      const given: Record<string, Value> = { ...Object.fromEntries(state), ...feeds[at % feeds.length]! }
      given.lr = Value.from('float32', [], [w.lr])
      const scalars = spec.optimizer.hostScalars?.(at, spec.optimizerOptions) ?? {}
      for (const [key, value] of Object.entries(scalars)) given[`optimizer/${key}`] = Value.from('float32', [], [value])
      const out = await session.run(given)
      advance(program, state, out, { lr: w.lr, scalars, threads: o.threads })
      at++
      return Number(out['loss/total']!.data[0])
    },
    profile: () => session.profile(),
    release: () => session.release(),
  }
}
