/** The node tests of the ONNX standard: a model of (mostly) one node, inputs and expected outputs. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { subgraphs, type Model, type TensorData } from '../../engine/ir/index.ts'
import { decodeMessage } from '../../engine/onnx/decode.ts'
import { readModelSync } from '../../engine/onnx/index.ts'
import { tensorOf } from '../../engine/onnx/tensor.ts'
import { sharedData } from '../../tests/shared.ts'

export interface NodeTest {
  name: string
  file: string
  model: Model
  /** By name of the graph's input or output; undefined for sequences and optionals. */
  inputs: Map<string, TensorData | undefined>
  outputs: Map<string, TensorData | undefined>
}

/** The folder of the tests, or undefined where the shared data is absent. */
export function nodeTestFolder(): string | undefined {
  const root = sharedData('onnx-node-tests.tar.xz')
  if (!root) return undefined
  return [root, join(root, 'onnx-node-tests')].find((folder) => existsSync(join(folder, 'test_add', 'model.onnx')))
}

/** Names of all tests, sorted. */
export const nodeTestNames = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, 'model.onnx')))
    .sort()

export function readNodeTest(folder: string, name: string): NodeTest {
  const file = join(folder, name, 'model.onnx')
  const model = readModelSync(file)
  const load = (kind: 'input' | 'output', list: Model['graph']['inputs']) =>
    new Map(
      list.map((info, i): [string, TensorData | undefined] => {
        const path = join(folder, name, 'test_data_set_0', `${kind}_${i}.pb`)
        if (info.type?.kind !== 'tensor' || !existsSync(path)) return [info.name, undefined]
        const message = decodeMessage('TensorProto', readFileSync(path), path)
        return [info.name, tensorOf(message, { file: path, folder: undefined }, `${kind} '${info.name}'`)]
      }),
    )
  return { name, file, model, inputs: load('input', model.graph.inputs), outputs: load('output', model.graph.outputs) }
}

/** `domain.Op`, the domain left out for ai.onnx. */
export const opName = (node: { op: string; domain: string }): string => `${node.domain ? `${node.domain}.` : ''}${node.op}`

/** Operators of a model, those of subgraphs and functions included. */
export function operatorsOf(model: Model): string[] {
  const found = new Set<string>()
  const visit = (nodes: Model['graph']['nodes']): void => {
    for (const node of nodes) {
      found.add(opName(node))
      for (const graph of subgraphs(node)) visit(graph.nodes)
    }
  }
  visit(model.graph.nodes)
  for (const f of model.functions) visit(f.nodes)
  return [...found]
}

/**
 * The operator that a test is about: the one of its node; for the body of a function operator written out (`..._expanded`) the operator
 * of the test that it was written out from; otherwise the one with a subgraph, or the last.
 */
export function subjectOf(folder: string, name: string, model: Model): { op: string; expanded: boolean } {
  const base = name.replace(/_expanded.*$/, '')
  if (base !== name && existsSync(join(folder, base, 'model.onnx')))
    return { op: subjectOf(folder, base, readModelSync(join(folder, base, 'model.onnx'))).op, expanded: true }
  const { nodes } = model.graph
  const node = nodes.find((n) => subgraphs(n).length > 0) ?? nodes.at(-1)
  return { op: node ? opName(node) : 'none', expanded: base !== name }
}
