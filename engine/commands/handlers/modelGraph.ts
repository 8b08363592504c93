import { basename } from 'node:path'
import { constantsOf, shapeOf } from '../../inspect/index.ts'
import type { Attribute, Node, TensorData, ValueInfo } from '../../ir/index.ts'
import { readModel } from '../../onnx/index.ts'
import { handler } from './handler.ts'

type Shown = number | string | (number | string)[]
const text = new TextDecoder()
/** Longer lists end here: they are for reading, the file has them whole. */
const MOST = 64

const number = (value: number | bigint): number | string => {
  const n = Number(value)
  return Number.isFinite(n) && Number.isSafeInteger(Math.trunc(n)) ? n : String(value)
}

const tensorText = (data: TensorData): string => `${data.dtype}[${data.dims.join(', ')}]`
const list = <T>(values: readonly T[], show: (value: T) => number | string): (number | string)[] =>
  values.length > MOST ? [...values.slice(0, MOST).map(show), `… ${values.length - MOST} more`] : values.map(show)

/** One attribute in a form for reading. */
function shown(a: Attribute): Shown {
  switch (a.type) {
    case 'float':
    case 'int':
      return number(a.value)
    case 'string':
      return text.decode(a.value)
    case 'floats':
    case 'ints':
      return list<number | bigint>(a.value, number)
    case 'strings':
      return list(a.value, (v) => text.decode(v))
    case 'tensor':
      return tensorText(a.value)
    case 'tensors':
      return list(a.value, tensorText)
    case 'graph':
      return `a graph of ${a.value.nodes.length} nodes`
    case 'graphs':
      return list(a.value, (g) => `a graph of ${g.nodes.length} nodes`)
    case 'ref':
      return `attribute ${a.value} of the function`
    case 'other':
      return 'of a type that is not shown'
  }
}

const port = (value: ValueInfo) => ({
  name: value.name,
  dtype: value.type?.kind === 'tensor' ? value.type.dtype : (value.type?.kind ?? 'unknown'),
  shape: [...(shapeOf(value) ?? [])],
})

function nodeView(node: Node, constants: ReadonlyMap<string, TensorData>) {
  const weights = node.inputs.flatMap((name) => {
    const data = constants.get(name)
    return data ? [{ name, dtype: data.dtype, shape: [...data.dims] }] : []
  })
  return {
    name: node.name || (node.outputs[0] ?? ''),
    op: node.domain ? `${node.domain}.${node.op}` : node.op,
    inputs: [...node.inputs],
    outputs: [...node.outputs],
    attributes: Object.fromEntries([...node.attrs].map(([name, a]) => [name, shown(a)])),
    weights,
  }
}

/** The graph as the file has it: nothing runs, so that any readable model can be drawn. */
export default handler<'model.graph'>(async ({ model: path }) => {
  const { graph } = await readModel(path, { name: basename(path) })
  const constants = constantsOf(graph)
  const fed = graph.inputs.filter((value) => !graph.initializers.has(value.name))
  return { inputs: fed.map(port), outputs: graph.outputs.map(port), nodes: graph.nodes.map((node) => nodeView(node, constants)) }
})
