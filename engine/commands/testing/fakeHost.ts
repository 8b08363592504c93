/**
 * An engine host with stand-in commands, for tests of what lies around them. `distill` counts steps in a real run of a real
 * store; `inspect` does what its model's name says.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ModelError, StillroomError } from '../../errors.ts'
import { childPort } from '../childPort.ts'
import { makeDispatcher } from '../dispatch.ts'
import { handler, type HandlerTable } from '../handlers/handler.ts'
import { handlers } from '../handlers/list.gen.ts'
import { serveHost } from '../host.ts'

const inspect = handler<'inspect'>(async ({ model }) => {
  const name = basename(model)
  if (name === 'crash') process.kill(process.pid, 'SIGSEGV')
  if (name === 'hang') {
    process.stdout.write('hanging\n')
    await sleep(60_000)
  }
  if (name === 'print') process.stdout.write('native code prints here\n')
  if (name === 'bad') throw new ModelError("node 'conv1': first line\nsecond \u001b[31mline", { where: model })
  const counts = { nodes: 1, parameters: 2, bytes: 3, macs: 4, activationBytes: 5 }
  const lists = { inputs: [], outputs: [], layers: [], missingGradients: [], warnings: [] }
  return { format: 'onnx', opset: 17, producer: 'test', ops: { Relu: 1 }, differentiable: true, ...counts, ...lists }
})

const distill = handler<'distill'>(async (input, { emit, signal, store, resume }) => {
  const steps = input.steps ?? 10
  const run =
    resume?.run ?? store.createRun({ kind: 'distill', recipe: input, resolved: input, seed: input.seed, engineVersion: 'test' })
  const { id } = store.claimRun(run.id)
  const first = resume?.checkpoint?.step ?? 0
  emit('started', { run: id, steps })
  emit('message', { level: 'info', text: `host ${process.pid}` })
  for (let step = first + 1; step <= steps; step++) {
    await sleep(20)
    emit('step', { step, steps, losses: { total: 1 / step }, rate: 50, etaSeconds: (steps - step) / 50, lr: 0.1 })
    const path = join(store.runFolder(id), `step-${step}`)
    writeFileSync(path, String(step))
    store.addCheckpoint(id, step, path)
    if (signal.aborted) {
      store.endRun(id, { status: 'stopped' })
      throw new StillroomError('interrupted', `stopped after step ${step}`, { where: id })
    }
  }
  const cost = { parameters: 1, bytes: 4 }
  const result = {
    run: id,
    model: 'm',
    steps,
    seconds: 1,
    stepsPerSecond: 1,
    metrics: {},
    labelsUsed: false,
    teacher: cost,
    student: cost,
  }
  store.endRun(id, { status: 'done', result })
  return result
})

const table: HandlerTable = {
  inspect: async () => ({ default: inspect }),
  distill: async () => ({ default: distill }),
  'runs.resume': handlers['runs.resume']!,
}

const { port, onSignal, exit } = childPort()
onSignal(serveHost(port, makeDispatcher(table), exit))
