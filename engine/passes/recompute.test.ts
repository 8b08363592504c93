import { describe, expect, it } from 'vitest'
import { gradients } from '../autodiff/index.ts'
import { sizeOf, type Model } from '../ir/index.ts'
import { newBuilder, type Tensor } from '../ops/index.ts'
import { random } from '../random.ts'
import { createSession, Value } from '../session/index.ts'
import { lower, recompute } from './index.ts'

const SHAPE = [4, 8]

/** A training step of h = h + tanh(h w) sigmoid(h), `depth` times. */
function step(depth: number, again: boolean): Model {
  const b = newBuilder()
  const weights: Tensor[] = []
  let h = b.input('x', 'float32', SHAPE)
  for (let i = 0; i < depth; i++) {
    const w = b.input(`w${i}`, 'float32', [8])
    weights.push(w)
    h = h.mul(w).tanh().mul(h.sigmoid()).add(h)
  }
  const loss = h.square().mean()
  const forward = b.steps.length
  const next = gradients(loss, weights).map((g, i) => weights[i]!.sub(g.mul(0.1)))
  const roots = [loss, ...next]
  const kept = again ? recompute(b, roots, forward) : { b, at: (t: Tensor) => t }
  const lowered = lower(kept.b, roots.map(kept.at))
  return lowered.b.model(Object.fromEntries(roots.map((t, i) => [`out${i}`, lowered.at(kept.at(t))])))
}

async function run(model: Model): Promise<number[]> {
  const session = await createSession(model, { threads: 1 })
  const feeds = session.inputs.map(({ name, shape }) => {
    const dims = shape as number[]
    return [name, Value.of('float32', dims, random(5, name).fillNormal(new Float32Array(sizeOf(dims))))] as const
  })
  const out = await session.run(Object.fromEntries(feeds))
  await session.release()
  return Object.keys(out)
    .sort()
    .flatMap((name) => Array.from(out[name]!.data, Number))
}

/** Most bytes that are alive at one time when nodes run in their order and a value is freed after its last reader. */
function peak(model: Model): number {
  const { nodes, values, outputs } = model.graph
  const bytes = (name: string): number => {
    const type = values.get(name)?.type
    return type?.kind === 'tensor' ? 4 * sizeOf((type.shape ?? []) as number[]) : 0
  }
  const last = new Map<string, number>()
  nodes.forEach((node, i) => node.inputs.forEach((name) => last.set(name, i)))
  for (const { name } of outputs) last.set(name, nodes.length)
  let alive = 0
  let most = 0
  nodes.forEach((node, i) => {
    for (const name of node.outputs) alive += bytes(name)
    most = Math.max(most, alive)
    for (const name of new Set([...node.inputs, ...node.outputs])) if ((last.get(name) ?? i) === i) alive -= bytes(name)
  })
  return most
}

describe('recompute', () => {
  it('changes no bit of the step', async () => {
    for (const depth of [1, 2, 7, 30]) expect(await run(step(depth, true))).toEqual(await run(step(depth, false)))
  })

  it('makes memory grow with the square root of the depth', () => {
    const growth = (again: boolean) => Math.log2(peak(step(400, again)) / peak(step(25, again))) / 4
    expect(growth(false)).toBeGreaterThan(0.9)
    expect(growth(true)).toBeLessThan(0.65)
    expect(peak(step(400, true))).toBeLessThan(peak(step(400, false)) / 5)
  })

  it('costs at most one more forward pass', () => {
    const [plain, again] = [step(100, false).graph.nodes.length, step(100, true).graph.nodes.length]
    // Four nodes a layer, and some at each of about 20 borders.
    expect(again).toBeLessThan(plain + 100 * 4 + 20 * 10)
    expect(again).toBeGreaterThan(plain + 100)
  })
})
