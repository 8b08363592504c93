import {
  showShape,
  type Attribute,
  type FunctionDef,
  type Graph,
  type Model,
  type Node,
  type TensorData,
  type ValueType,
} from '../ir/index.ts'
import { decodeText } from './text.ts'

/** Tensors of at most this many elements are shown whole; larger ones are not even touched. */
const SHOWN = 8

/**
 * A model as text, after ONNX's textual syntax: one line a node, types and shapes where known, constants abbreviated.
 * Weights and external data stay untouched, but for tensors of a few elements.
 */
export function printModel(model: Model): string {
  const opsets = [...model.opsets].map(([domain, version]) => `"${domain}" : ${version}`).join(', ')
  const lines = ['<', `  ir_version: ${model.irVersion},`, `  opset_import: [${opsets}]`]
  const facts: [string, string][] = [
    ['producer_name', model.producerName],
    ['producer_version', model.producerVersion],
    ['domain', model.domain],
    ['doc_string', model.doc],
    ...model.metadata,
  ]
  for (const [key, value] of facts) {
    if (value === '') continue
    lines[lines.length - 1] += ','
    lines.push(`  ${key}: ${quote(value)}`)
  }
  lines.push('>', ...graphLines(model.graph, ''))
  for (const def of model.functions) lines.push('', ...functionLines(def))
  return lines.join('\n') + '\n'
}

export function showType(type: ValueType | undefined): string {
  switch (type?.kind) {
    case 'tensor':
      return `${type.dtype}${showShape(type.shape)}`
    case 'sparse':
      return `sparse(${type.dtype}${showShape(type.shape)})`
    case 'sequence':
    case 'optional':
      return `${type.kind}(${showType(type.of)})`
    case 'map':
      return `map(${type.key}, ${showType(type.value)})`
    case 'opaque':
      return `opaque(${type.domain}.${type.name})`
    case undefined:
      return '?'
  }
}

function graphLines(graph: Graph, indent: string): string[] {
  const list = (values: Graph['inputs']) => values.map((v) => `${showType(v.type)} ${v.name}`).join(', ')
  const lines = [`${indent}${graph.name} (${list(graph.inputs)}) => (${list(graph.outputs)})`]
  if (graph.initializers.size > 0) {
    lines.push(`${indent}<`)
    for (const [name, tensor] of graph.initializers)
      lines.push(`${indent}  ${tensor.dtype}${showShape(tensor.dims)} ${name} = ${showData(tensor)}`)
    lines.push(`${indent}>`)
  }
  const typeOf = (name: string) => {
    const type = graph.values.get(name)?.type
    return type && showType(type)
  }
  return [...lines, `${indent}{`, ...graph.nodes.flatMap((n) => nodeLines(n, `${indent}  `, typeOf)), `${indent}}`]
}

function functionLines(def: FunctionDef): string[] {
  const opsets = [...def.opsets].map(([domain, version]) => `"${domain}" : ${version}`).join(', ')
  const defaults = [...def.defaults].map(([name, value]) => `${name} = ${showAttribute(value)}`)
  const attributes = [...def.attributes, ...defaults].join(', ')
  return [
    `<domain: ${quote(def.domain)}, ${def.overload ? `overload: ${quote(def.overload)}, ` : ''}opset_import: [${opsets}]>`,
    `${def.name}${attributes ? ` <${attributes}>` : ''} (${def.inputs.join(', ')}) => (${def.outputs.join(', ')})`,
    '{',
    ...def.nodes.flatMap((n) => nodeLines(n, '  ', () => undefined)),
    '}',
  ]
}

function nodeLines(node: Node, indent: string, typeOf: (name: string) => string | undefined): string[] {
  const plain: string[] = []
  const graphs: [string, Graph][] = []
  for (const [name, value] of node.attrs) {
    if (value.type === 'graph') graphs.push([name, value.value])
    else if (value.type === 'graphs') value.value.forEach((g, i) => graphs.push([`${name}[${i}]`, g]))
    else plain.push(`${name} = ${showAttribute(value)}`)
  }
  const outputs = node.outputs.map((name) => [typeOf(name), name || '""'].filter(Boolean).join(' ')).join(', ')
  const op = `${node.domain ? `${node.domain}.` : ''}${node.op}${node.overload ? `:${node.overload}` : ''}`
  const attributes = plain.length > 0 ? ` <${plain.join(', ')}>` : ''
  const inputs = node.inputs.map((name) => name || '""').join(', ')
  const label = node.name && node.name !== node.outputs[0] ? `[${node.name}] ` : ''
  const lines = [`${indent}${label}${outputs} = ${op}${attributes} (${inputs})`]
  for (const [name, graph] of graphs) lines.push(`${indent}  ${name} =`, ...graphLines(graph, `${indent}    `))
  return lines
}

function showAttribute(attribute: Attribute): string {
  switch (attribute.type) {
    case 'float':
      return showFloat(attribute.value)
    case 'int':
      return String(attribute.value)
    case 'string':
      return quote(decodeText(attribute.value))
    case 'floats':
      return showList(attribute.value.map(showFloat))
    case 'ints':
      return showList(attribute.value.map(String))
    case 'strings':
      return showList(attribute.value.map((s) => quote(decodeText(s))))
    case 'tensor':
      return `${attribute.value.dtype}${showShape(attribute.value.dims)} ${showData(attribute.value)}`
    case 'tensors':
      return showList(attribute.value.map((t) => `${t.dtype}${showShape(t.dims)} ${showData(t)}`))
    case 'ref':
      return `@${attribute.value}`
    case 'graph':
    case 'graphs':
      return '{...}'
    case 'other':
      return '...'
  }
}

const showFloat = (value: number): string => String(Number(value.toPrecision(7)))
const showList = (items: readonly string[]): string =>
  `[${items.length > 2 * SHOWN ? [...items.slice(0, SHOWN), `... ${items.length} in all`].join(', ') : items.join(', ')}]`

function showData(tensor: TensorData): string {
  if (tensor.size > SHOWN) return '{...}'
  if (tensor.problem() !== undefined) return '{unreadable}'
  if (tensor.strings) return `{${tensor.strings.map((s) => quote(decodeText(s))).join(', ')}}`
  try {
    const { data } = tensor
    const values = typeof data[0] === 'bigint' ? Array.from(data as BigInt64Array, String) : Array.from(tensor.numbers(), showFloat)
    return `{${values.join(', ')}}`
  } catch {
    // Element types without a typed view, and data files that vanished since.
    return '{...}'
  }
}

/** A string in quotes, cut where it is long. */
const quote = (text: string): string => JSON.stringify(text.length > 120 ? `${text.slice(0, 117)}...` : text)
