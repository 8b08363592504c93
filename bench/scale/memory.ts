/** Peak memory of one training step of a deep net, in a process of its own: `memory.ts DEPTH plain|recompute` prints one JSON line. */
import { gradients } from '../../engine/autodiff/index.ts'
import { sizeOf } from '../../engine/ir/index.ts'
import { newBuilder, type Tensor } from '../../engine/ops/index.ts'
import { lower, recompute } from '../../engine/passes/index.ts'
import { random } from '../../engine/random.ts'
import { createSession, Value } from '../../engine/session/index.ts'

const WIDTH = 256
const BATCH = 256

const [depth, mode] = process.argv.slice(2)
const b = newBuilder()
const weights: Tensor[] = []
let h = b.input('x', 'float32', [BATCH, WIDTH])
for (let i = 0; i < Number(depth); i++) {
  const w = b.input(`w${i}`, 'float32', [WIDTH])
  weights.push(w)
  h = h.mul(w).tanh().mul(h.sigmoid()).add(h)
}
const loss = h.square().mean()
const forward = b.steps.length
const roots = [loss, ...gradients(loss, weights).map((g, i) => weights[i]!.sub(g.mul(0.01)))]
const kept = mode === 'recompute' ? recompute(b, roots, forward) : { b, at: (t: Tensor) => t }
const lowered = lower(kept.b, roots.map(kept.at))
const model = lowered.b.model(Object.fromEntries(roots.map((t, i) => [`out${i}`, lowered.at(kept.at(t))])))
const session = await createSession(model, { threads: 1 })
const value = (t: Tensor) => Value.of('float32', t.shape, random(1, t.name).fillNormal(new Float32Array(sizeOf(t.shape)), 0, 0.1))
const feeds = Object.fromEntries(b.inputs.map((t) => [t.name, value(t)]))
const before = process.memoryUsage().rss / 2 ** 20
const cpu = process.cpuUsage()
await session.run(feeds)
const used = process.cpuUsage(cpu)
// Of the first run: later ones find the arena as it is.
const peak = process.resourceUsage().maxRSS / 1024 - before
process.stdout.write(
  `${JSON.stringify({ depth: Number(depth), nodes: model.graph.nodes.length, peak, cpu: (used.user + used.system) / 1000 })}\n`,
)
