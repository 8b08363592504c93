/**
 * Our side of one workload, in a process of its own: `node ours.ts NAME THREADS BLOCK`. Each line read is `{"steps": n}`; each line written holds the
 * times of those steps in ms, their losses, and the memory so far.
 */
import { createInterface } from 'node:readline'
import { findMethod } from '../../engine/methods/index.ts'
import { findOptimizer, parseOptions } from '../../engine/optim/index.ts'
import { TensorData } from '../../engine/ir/index.ts'
import { blockSize, createSession, Value } from '../../engine/session/index.ts'
import { compileStep, feedsOf, toNet, type StepSpec } from '../../engine/train/index.ts'
import { batchesOf } from './data.ts'
import { memoryNow, peakMemory } from './memory.ts'
import { workloads, type Workload } from './workloads.ts'

const base = memoryNow()
const [name, threads, block, profile] = process.argv.slice(2)
const workload = workloads.find((w) => w.name === name)!

/** The step as the trainer would compile it. */
export function specOf(w: Workload, block: number): StepSpec {
  const optimizer = findOptimizer(w.optimizer)
  const weightDecay = w.optimizer === 'adamw' ? 0.01 : 0
  const kd = findMethod('hinton-kd')
  return {
    student: toNet(w.student(), 'logits'),
    teacher: w.teacher && { net: toNet(w.teacher(), 'logits') },
    inputs: w.inputs,
    targetShape: w.task.kind === 'map' ? [w.batch, ...w.inputs[0]!.shape.slice(2)] : [w.batch, w.classes],
    task: w.task,
    methods: w.teacher ? [{ method: kd, options: kd.options.parse({}) }] : [],
    stage: '',
    optimizer,
    optimizerOptions: parseOptions(optimizer, w.optimizer === 'sgd' ? { momentum: 0.9 } : { weightDecay }) as Record<
      string,
      unknown
    >,
    weightDecay,
    momentum: 0.9,
    clip: undefined,
    ema: false,
    labelSmoothing: 0,
    mode: 'both',
    accumulate: 1,
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

const spec = specOf(workload, block === undefined || block === 'probe' ? await blockSize() : Number(block))
const program = compileStep(spec)
const session = await createSession(program.model, { threads: Number(threads ?? 2), profile: profile !== undefined, name: 'step' })
const batches = batchesOf(workload).map(({ inputs, labels }) => ({
  ...feedsOf(
    program.inputs,
    spec.inputs.map(({ name, shape }) => ({ name, shape, values: inputs[name]! })),
  ),
  y: Value.of('float32', spec.targetShape!, targetOf(workload, labels)),
}))
let state: Record<string, Value> = {}
for (const [key, { dims, init }] of program.state) {
  const data = new Float32Array(dims.reduce((n, d) => n * d, 1))
  if (init instanceof TensorData) data.set(init.numbers())
  state[key] = Value.of('float32', dims, data)
}
let at = 0

async function step(): Promise<number> {
  const feeds: Record<string, Value> = { ...state, ...batches[at % batches.length]!, lr: Value.from('float32', [], [workload.lr]) }
  for (const [key, value] of Object.entries(spec.optimizer.hostScalars?.(at, spec.optimizerOptions) ?? {}))
    feeds[`optimizer/${key}`] = Value.from('float32', [], [value])
  const out = await session.run(feeds)
  const next = { ...state }
  for (const key of program.changes) next[key] = out[`next/${key}`]!
  state = next
  at++
  return Number(out['loss/total']!.data[0])
}

process.stdout.write(`${JSON.stringify({ ready: true, nodes: program.model.graph.nodes.length })}\n`)
for await (const line of createInterface({ input: process.stdin })) {
  const { steps } = JSON.parse(line) as { steps: number }
  const [ms, cpu, losses]: [number[], number[], number[]] = [[], [], []]
  for (let i = 0; i < steps; i++) {
    const from = performance.now()
    const work = process.cpuUsage()
    losses.push(await step())
    ms.push(performance.now() - from)
    const { user, system } = process.cpuUsage(work)
    cpu.push((user + system) / 1000)
  }
  process.stdout.write(`${JSON.stringify({ ms, cpu, losses, base, peak: peakMemory() })}\n`)
}
if (profile !== undefined) {
  const { writeFileSync } = await import('node:fs')
  writeFileSync(profile, JSON.stringify(session.profile()))
}
await session.release()
