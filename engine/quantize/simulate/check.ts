import { OptionError } from '../../errors.ts'
import { tensorType, type DataType, type Graph, type Model, type Node } from '../../ir/index.ts'
import { cloneModel } from '../../passes/index.ts'
import eliminateDead from '../../passes/rewrites/eliminate-dead.ts'
import { createSession, Value } from '../../session/index.ts'
import { withOutputs, type RunOptions, type Samples } from '../calibrate.ts'
import { simulation } from './floats.ts'

/** How far ONNX Runtime's kernels are from the simulation at one value, both given the same integers. */
export interface NodeCheck {
  /** The integer value. */
  value: string
  /** What computes it: the operators between the integers before and this one. */
  ops: string[]
  /** Largest difference of a code. */
  steps: number
  /** Share of the codes that differ. */
  differing: number
}

const INTEGER = /^(QuantizeLinear|QLinear.*|QGemm)$/

/**
 * Compares each quantized node of a model with the simulation: both are given the codes that the simulation computed before it, and what they make of
 * them is compared code by code. A model without integer codes has none to compare. Errors: OptionError without samples.
 */
export async function checkNodes(model: Model, samples: Samples, o: RunOptions = {}): Promise<NodeCheck[]> {
  const targets = model.graph.nodes.filter((n) => INTEGER.test(n.op))
  const typeOf = integerTypes(model.graph, targets)
  // A product that gives floats has no codes to compare.
  const parts = targets.filter((n) => typeOf.has(n.outputs[0]!)).map((node) => partOf(model, node.outputs[0]!, typeOf))
  if (!parts.length) return []
  const wanted = new Set(parts.flatMap((p) => [...p.from, p.value]).filter((name) => typeOf.has(name)))
  const simulated = await createSession(withOutputs(simulation(model), wanted), { threads: o.threads, name: 'simulation' })
  const sessions = await Promise.all(parts.map((p) => createSession(p.model, { threads: o.threads, name: p.value })))
  const found = parts.map((p) => ({ value: p.value, ops: p.ops, steps: 0, differing: 0 }))
  const counts = parts.map(() => 0)
  try {
    let batches = 0
    for await (const feeds of samples()) {
      o.signal?.throwIfAborted()
      batches++
      const codes = await simulated.run(feeds, [...wanted])
      for (const [i, part] of parts.entries()) {
        const given = part.from.map((name) => {
          const dtype = typeOf.get(name)
          const value = codes[name]
          return [name, dtype && value ? Value.from(dtype, value.dims, value.data as Float32Array) : feeds[name]!] as const
        })
        const y = (await sessions[i]!.run(Object.fromEntries(given)))[part.value]!.numbers()
        const expected = codes[part.value]!.numbers()
        for (let k = 0; k < y.length; k++) {
          const d = Math.abs(y[k]! - expected[k]!)
          if (d > found[i]!.steps) found[i]!.steps = d
          if (d > 0) found[i]!.differing++
        }
        counts[i]! += y.length
      }
    }
    if (batches === 0) throw new OptionError('expected at least one sample, found none', { where: 'samples' })
  } finally {
    await simulated.release()
    for (const session of sessions) await session.release()
  }
  return found.map((f, i) => ({ ...f, differing: f.differing / Math.max(1, counts[i]!) }))
}

/** Element types of the integer values. */
function integerTypes(graph: Graph, targets: readonly Node[]): Map<string, DataType> {
  const zeroOf: Record<string, number> = { QuantizeLinear: 2, QLinearConv: 7, QGemm: 8, QLinearConcat: 1, QLinearGlobalAveragePool: 4, QLinearAveragePool: 4 } // prettier-ignore
  return new Map(
    targets.flatMap((n) => {
      const zero = graph.initializers.get(n.inputs[zeroOf[n.op] ?? 7] ?? '')
      // A fused product may give floats.
      return n.op === 'QGemm' && !zero ? [] : [[n.outputs[0]!, zero?.dtype ?? 'uint8'] as const]
    }),
  )
}

/** The piece of the model from the integers before a value to the value. */
function partOf(model: Model, value: string, typeOf: ReadonlyMap<string, DataType>) {
  const copy = cloneModel(model)
  const { graph } = copy
  const producer = new Map(graph.nodes.flatMap((n) => n.outputs.map((y) => [y, n] as const)))
  const inputs = new Set(graph.inputs.map((v) => v.name).filter((name) => !graph.initializers.has(name)))
  const from = new Set<string>()
  const nodes = new Set<Node>()
  const open = [value]
  while (open.length) {
    const name = open.pop()!
    if (name !== value && (typeOf.has(name) || inputs.has(name))) from.add(name)
    else {
      const node = producer.get(name)
      if (!node || nodes.has(node)) continue
      nodes.add(node)
      open.push(...node.inputs.filter(Boolean))
    }
  }
  graph.nodes = graph.nodes.filter((n) => nodes.has(n))
  graph.inputs = [...from].map(
    (name) => model.graph.inputs.find((v) => v.name === name) ?? { name, type: tensorType(typeOf.get(name)!) },
  )
  graph.outputs = [{ name: value, type: tensorType(typeOf.get(value) ?? 'float32') }]
  graph.values = new Map()
  eliminateDead.run(graph)
  const ops = graph.nodes.map((n) => n.op).filter((op) => op !== 'DequantizeLinear')
  return { model: copy, value, from: [...from], ops }
}
