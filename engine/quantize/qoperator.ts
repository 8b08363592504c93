import { getInt, usageOf, type Attribute, type Model, type Node } from '../ir/index.ts'
import { isOutput } from '../passes/index.ts'
import { Emitter } from './emitter.ts'

const MICROSOFT = 'com.microsoft'
/** Operators that hand codes on unchanged, and have kernels for 8 bits. */
const CARRIES = new Set(['MaxPool', 'Reshape', 'Flatten', 'Transpose', 'Squeeze', 'Unsqueeze'])

/** What a DequantizeLinear reads: codes, scale, zero point. */
type Codes = [codes: string, scale: string, zero: string]

/**
 * Turns pairs around float operators into operators on integers, in place: QLinearConv and QLinearMatMul of the standard, and ONNX Runtime's QGemm,
 * QLinearAdd, QLinearConcat and pools, for runtimes that do not fuse pairs themselves. What has no such form keeps its pairs.
 * @returns warnings
 */
export function toOperators(model: Model): string[] {
  const { graph } = model
  const e = new Emitter(graph)
  const left = new Map<string, number>()
  let microsoft = false
  for (const node of [...graph.nodes]) {
    const usage = usageOf(graph)
    const codesOf = (name: string | undefined): Codes | undefined => {
      const dq = name ? usage.producer.get(name) : undefined
      return dq?.op === 'DequantizeLinear' && dq.inputs.length === 3 ? (dq.inputs as Codes) : undefined
    }
    const after = roundedBy(node)
    const data = node.inputs.map(codesOf)
    function roundedBy({ outputs }: Node): Node | undefined {
      const readers = usage.consumers.get(outputs[0]!) ?? []
      return readers.length === 1 && readers[0]!.op === 'QuantizeLinear' && !isOutput(graph, outputs[0]!) ? readers[0] : undefined
    }
    if (!data[0] || node.op === 'DequantizeLinear' || node.op === 'QuantizeLinear') continue
    const kinds = new Set(data.flatMap((d) => (d ? [graph.initializers.get(d[2])?.dtype] : [])))
    if (kinds.has('int16') || kinds.has('uint16')) continue
    const write = (
      op: string,
      domain: string,
      inputs: string[],
      gone: readonly Node[],
      out: string,
      attrs: Node['attrs'] = new Map(),
    ) => {
      gone.forEach((n) => e.remove(n))
      e.put(op, inputs, out, Object.fromEntries(attrs), domain)
      microsoft ||= domain === MICROSOFT
    }
    const [x, w, b] = data
    const [ys, yz] = after ? [after.inputs[1]!, after.inputs[2]!] : []
    const out = after?.outputs[0]
    if (node.op === 'Conv' && out && w && (!node.inputs[2] || b))
      write('QLinearConv', '', [...x, ...w, ys!, yz!, ...(b ? [b[0]] : [])], [node, after], out, node.attrs)
    else if (node.op === 'Gemm' && w && (!node.inputs[2] || b)) {
      const attrs: [string, Attribute][] = [...node.attrs].filter(([name]) => name !== 'beta')
      const inputs = [...x, ...w, b?.[0] ?? '', ...(out ? [ys!, yz!] : [])]
      while (inputs.at(-1) === '') inputs.pop()
      write('QGemm', MICROSOFT, inputs, out ? [node, after] : [node], out ?? node.outputs[0]!, new Map(attrs))
    } else if (node.op === 'MatMul' && w && graph.initializers.has(w[0])) {
      // The bias of a product stands in the Add behind it; a product alone needs integers behind it.
      const readers = usage.consumers.get(node.outputs[0]!) ?? []
      const [add] = readers
      const bias =
        add?.op === 'Add' && readers.length === 1 ? codesOf(add.inputs.find((name) => name !== node.outputs[0])) : undefined
      const isBias = bias && graph.initializers.get(bias[0])?.dtype === 'int32'
      if (isBias && graph.initializers.get(x[0])?.dims.length !== 0 && rankOf(model, node.inputs[0]!) === 2) {
        const q = roundedBy(add!)
        write('QGemm', MICROSOFT, [...x, ...w, bias[0], ...(q ? q.inputs.slice(1) : [])], q ? [node, add!, q] : [node, add!], q ? q.outputs[0]! : add!.outputs[0]!) // prettier-ignore
      } else if (out) write('QLinearMatMul', '', [...x, ...w, ys!, yz!], [node, after], out)
      else left.set(node.op, (left.get(node.op) ?? 0) + 1)
    } else if (node.op === 'Add' && w && out) write('QLinearAdd', MICROSOFT, [...x, ...w, ys!, yz!], [node, after], out)
    else if (node.op === 'GlobalAveragePool' && out)
      write('QLinearGlobalAveragePool', MICROSOFT, [...x, ys!, yz!], [node, after], out, new Map([['channels_last', { type: 'int', value: 0 }]])) // prettier-ignore
    else if (node.op === 'AveragePool' && out && !getInt(node, 'ceil_mode', 0))
      write('QLinearAveragePool', MICROSOFT, [...x, ys!, yz!], [node, after], out, node.attrs)
    else if (node.op === 'Concat' && out && data.every((d) => d))
      write('QLinearConcat', MICROSOFT, [ys!, yz!, ...data.flatMap((d) => d!)], [node, after], out, node.attrs)
    else if (CARRIES.has(node.op) && out && x[1] === ys && x[2] === yz && !node.outputs[1])
      write(node.op, '', [x[0], ...node.inputs.slice(1)], [node, after], out, node.attrs)
    else left.set(node.op, (left.get(node.op) ?? 0) + 1)
  }
  e.finish()
  if (microsoft) model.opsets.set(MICROSOFT, 1)
  return left.size
    ? [`these keep their pairs of QuantizeLinear and DequantizeLinear: ${[...left].map(([op, n]) => `${op} (${n})`).join(', ')}`]
    : []
}

/** Rank of a value where the graph tells it. */
function rankOf({ graph }: Model, name: string): number | undefined {
  const usage = usageOf(graph)
  for (let at: string | undefined = name; at !== undefined;) {
    const info = graph.values.get(at) ?? graph.inputs.find((v) => v.name === at)
    if (info?.type?.kind === 'tensor' && info.type.shape) return info.type.shape.length
    const node: Node | undefined = usage.producer.get(at)
    if (node?.op === 'Flatten' || node?.op === 'Gemm') return 2
    at = node && (node.op === 'Relu' || node.op === 'DequantizeLinear' || node.op === 'QuantizeLinear') ? node.inputs[0] : undefined
  }
  return undefined
}
