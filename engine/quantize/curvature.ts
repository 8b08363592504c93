import { gradients } from '../autodiff/index.ts'
import { UnsupportedError } from '../errors.ts'
import { TensorData, type Model } from '../ir/index.ts'
import { inlineFunctions, upgradeOpset } from '../onnx/index.ts'
import { inlineGraph, newBuilder } from '../ops/index.ts'
import { applyPasses, constantsOf, lower } from '../passes/index.ts'
import dropIdentity from '../passes/rewrites/drop-identity.ts'
import eliminateDead from '../passes/rewrites/eliminate-dead.ts'
import foldBatchNorm from '../passes/rewrites/fold-batch-norm.ts'
import { random } from '../random.ts'
import { createSession, Value, type Session } from '../session/index.ts'
import type { RunOptions, Samples } from './calibrate.ts'
import type { Quantized } from './quantizeModel.ts'

/** Draws of signs for each batch. */
const DRAWS = 2
/** Batches that are looked at. */
const BATCHES = 8

/**
 * What the rounding of each layer's weight does to the model's answers, to second order: d^T H d / 2 with d the rounding error and H the Hessian of the
 * divergence from the float model's own probabilities, in nats. One Hessian-vector product gives all layers at once: with v = sum_l r_l d_l and random
 * signs r_l, the mean of r_l d_l^T (H v)_l is d_l^T H_ll d_l, as what layers have in common cancels. After Dong et al. 2019 (HAWQ, arXiv:1905.03696)
 * and Hutchinson's estimator; here along the actual error in place of the largest eigenvalue. What the rounding of activations does is not in it.
 * Errors: UnsupportedError where the model has no class scores or cannot be differentiated twice.
 */
export async function curvature(
  model: Model,
  quantized: Quantized,
  samples: Samples,
  o: RunOptions = {},
): Promise<Map<string, number>> {
  const source = upgradeOpset(inlineFunctions(applyPasses(model, [dropIdentity, foldBatchNorm, eliminateDead]).model)).model
  const errors = weightErrors(source, quantized)
  const weights = [...errors.keys()]
  const sums = new Map(weights.map((w) => [w, 0]))
  let session: Session | undefined
  let count = 0
  try {
    let shape = ''
    for await (const feeds of samples()) {
      o.signal?.throwIfAborted()
      if (count >= BATCHES * DRAWS) break
      const key = Object.values(feeds).map((v) => v.dims.join()).join(';') // prettier-ignore
      if (session && key !== shape) continue
      if (!session) {
        shape = key
        session = await createSession(products(source, errors, feeds), { threads: o.threads, name: 'second order' })
      }
      for (let k = 0; k < DRAWS; k++) {
        const draw = random(0, 'curvature', count++)
        const signs = Float32Array.from(weights, (_, i) => (draw.uniform(i) < 0.5 ? -1 : 1))
        const given = Object.fromEntries(session.inputs.filter((p) => feeds[p.name]).map((p) => [p.name, feeds[p.name]!]))
        const out = await session.run({ ...given, signs: Value.of('float32', [weights.length], signs) })
        weights.forEach((w, i) => sums.set(w, sums.get(w)! + Number(out[`product/${i}`]!.data[0])))
      }
    }
  } finally {
    await session?.release()
  }
  return new Map([...errors].map(([w, { layer }]) => [layer, sums.get(w)! / (2 * Math.max(1, count))]))
}

/** What rounding added to each weight, by its initializer, with its layer's name. */
function weightErrors(source: Model, quantized: Quantized): Map<string, { layer: string; error: TensorData }> {
  const constant = constantsOf(quantized.model.graph)
  const producer = new Map(quantized.model.graph.nodes.flatMap((n) => n.outputs.map((y) => [y, n] as const)))
  const chosen = new Set(quantized.layers.filter((l) => l.reason === undefined).map((l) => l.name))
  const rounded = new Map(quantized.model.graph.nodes.map((n) => [n.name, n]))
  const out = new Map<string, { layer: string; error: TensorData }>()
  for (const node of source.graph.nodes) {
    const layer = node.name || node.outputs[0]!
    const w = chosen.has(layer) ? source.graph.initializers.get(node.inputs[1]!) : undefined
    const dq = producer.get(rounded.get(node.name)?.inputs[1] ?? '')
    if (!w || dq?.op !== 'DequantizeLinear') continue
    const [levels, scale, zero] = dq.inputs.map((name) => constant(name)?.numbers()) as [number[], number[], number[] | undefined]
    const axis = dq.attrs.get('axis')
    const at = axis?.type === 'int' ? Number(axis.value) : 0
    const inner = w.dims.slice(at + 1).reduce((n, d) => n * d, 1)
    const own = (list: ArrayLike<number>, i: number) => list[list.length === 1 ? 0 : Math.floor(i / inner) % list.length]!
    const error = Float32Array.from(w.numbers(), (v, i) => (levels[i]! - (zero ? own(zero, i) : 0)) * own(scale, i) - v)
    out.set(node.inputs[1]!, { layer, error: TensorData.of('float32', w.dims, error) })
  }
  return out
}

/** A graph that gives r_l d_l^T (H v)_l of each layer for one batch and fed signs r. */
function products(source: Model, errors: ReturnType<typeof weightErrors>, feeds: Readonly<Record<string, Value>>): Model {
  const b = newBuilder()
  const fed = new Map(source.graph.inputs.flatMap(({ name }) => (feeds[name] ? [[name, b.input(name, feeds[name].dtype, feeds[name].dims)] as const] : []))) // prettier-ignore
  const signs = b.input('signs', 'float32', [errors.size])
  const held = new Map([...errors.keys()].map((name) => [name, b.constant(source.graph.initializers.get(name)!, name)]))
  const values = inlineGraph(b, source.graph, fed, { initializer: (name) => held.get(name) })
  const logits = values.get(source.graph.outputs[0]!.name)!
  if (logits.rank < 2) throw new UnsupportedError('sensitivity by second order needs rows of class scores as first output', { where: 'sensitivity' }) // prettier-ignore
  const own = logits.softmax().detach()
  const rows = logits.size / logits.shape.at(-1)!
  const divergence = own
    .mul(logits.logSoftmax())
    .sum()
    .neg()
    .mul(1 / rows)
  const weights = [...held.values()]
  const sign = (i: number) => signs.slice([i], [i + 1], [0]).reshape([])
  const d = [...errors.values()].map(({ error }, i) => b.constant(error, `error/${i}`).mul(sign(i)))
  const first = gradients(divergence, weights)
  const along = first.map((g, i) => g.mul(d[i]!).sum()).reduce((s, t) => s.add(t))
  const outputs = Object.fromEntries(gradients(along, weights).map((h, i) => [`product/${i}`, h.mul(d[i]!).sum()]))
  const lowered = lower(b, Object.values(outputs))
  return lowered.b.model(Object.fromEntries(Object.entries(outputs).map(([name, t]) => [name, lowered.at(t)])))
}
