/** One measurement, in a process of its own so that its peak memory is its own: `compile.ts NODES [session]` prints one JSON line. */
import { gradients } from '../../engine/autodiff/index.ts'
import { verify } from '../../engine/ir/index.ts'
import { decodeModel, encodeModel, inlineFunctions, upgradeOpset } from '../../engine/onnx/index.ts'
import { inlineGraph, newBuilder, type Tensor } from '../../engine/ops/index.ts'
import { applyPasses, lower, rewrites } from '../../engine/passes/index.ts'
import { createSession } from '../../engine/session/index.ts'
import { deepNet } from './graphs.ts'

/** Nodes of the training graph for each layer. */
const NODES_PER_LAYER = 16

const [wanted, withSession] = process.argv.slice(2)
const bytes = encodeModel(deepNet(Math.max(2, 2 * Math.round(Number(wanted) / NODES_PER_LAYER / 2))))
const stages: Record<string, { wall: number; cpu: number }> = {}

async function stage<T>(name: string, work: () => T | Promise<T>): Promise<T> {
  const [wall, cpu] = [performance.now(), process.cpuUsage()]
  const result = await work()
  const used = process.cpuUsage(cpu)
  stages[name] = { wall: performance.now() - wall, cpu: (used.user + used.system) / 1000 }
  return result
}

const model = await stage('read', () => decodeModel(bytes))
const problems = await stage('verify', () => verify(model))
const weights: Tensor[] = []
const y = await stage('infer', () => {
  const b = newBuilder()
  const x = b.input('x', 'float32', [4, 16])
  const initializer = (name: string, data: { dims: readonly number[] }) => {
    const w = b.input(name, 'float32', data.dims)
    weights.push(w)
    return w
  }
  return inlineGraph(b, upgradeOpset(inlineFunctions(model)).model.graph, new Map([['x', x]]), { initializer }).get('y')!
})
const roots = await stage('differentiate', () => {
  const loss = y.square().mean()
  return [loss, ...gradients(loss, weights).map((g, i) => weights[i]!.sub(g.mul(0.01)))]
})
const step = await stage('optimise', () => {
  const { b, at } = lower(y.b, roots)
  return applyPasses(b.model(Object.fromEntries(roots.map((t, i) => [`out${i}`, at(t)]))), rewrites).model
})
const written = await stage('write', () => encodeModel(step))
const peak = process.resourceUsage().maxRSS / 1024
const nodes = step.graph.nodes.length
if (withSession) {
  await stage('session, not optimised', async () => (await createSession(written, { level: 'disabled' })).release())
  await stage('session', async () => (await createSession(written)).release())
}
process.stdout.write(`${JSON.stringify({ nodes, problems: problems.length, bytes: written.length, peak, stages })}\n`)
