import { ModelError, RuntimeError, StillroomError, UnsupportedError } from '../errors.ts'
import { showShape, type Model, type Node } from '../ir/index.ts'
import { createSession } from '../session/index.ts'

const MARK = 'stillroom.node.'
/** Elementwise operators whose rule of broadcasting changed with opset 7. */
const BROADCASTING = new Set(['Add', 'Sub', 'Mul', 'Div', 'And', 'Or', 'Xor', 'Equal', 'Greater', 'Less', 'Pow'])

/**
 * Says more about a model that ONNX Runtime refuses: which node it is when the file gives it no name, and what goes into it.
 * Every node gets its number as name, the refusal is provoked again, and the runtime is asked for the types in front of it.
 * Where nothing more can be found, the error stays what it is, as a fault of the model. `about` is the file.
 */
export async function explainRefusal(model: Model, error: StillroomError, about: string): Promise<StillroomError> {
  const index = await refusedNode(model)
  const node = index === undefined ? undefined : model.graph.nodes[index]
  if (index === undefined || !node) {
    // On the CPU, without optimization, nothing but the file can be the reason.
    return error instanceof RuntimeError ? new ModelError(error.message, { where: error.where ?? about, cause: error }) : error
  }
  const inputs = await inputTypes(model, index)
  const where = `${about}: node ${index} '${node.name || node.outputs[0]}' (${node.domain ? `${node.domain}.` : ''}${node.op})`
  const message = inputs.length ? `${error.message}; its inputs are ${inputs.map((t) => t.text).join(' and ')}` : error.message
  const hint = staleBroadcast(model, node, inputs) ?? error.hint
  const place = { where, ...(hint ? { hint } : {}), cause: error }
  return error instanceof UnsupportedError ? new UnsupportedError(message, place) : new ModelError(message, place)
}

/** A per-channel operand in second place was broadcast along `axis` before opset 7, and lines up with the last axis since. */
function staleBroadcast(model: Model, node: Node, inputs: readonly InputType[]): string | undefined {
  const [a, b] = inputs
  if (!BROADCASTING.has(node.op) || (model.opsets.get('') ?? 0) < 7 || b?.shape?.length !== 1 || (a?.shape?.length ?? 0) < 2)
    return undefined
  if (b.shape[0] !== a!.shape![1]) return undefined
  return `written as before opset 7, when an operand could be broadcast along axis 1; the file says opset ${model.opsets.get('')}: export it again`
}

async function refusedNode(model: Model): Promise<number | undefined> {
  const nodes = model.graph.nodes.map((node, i) => ({ ...node, name: `${MARK}${i}`, origin: undefined }))
  try {
    const session = await createSession({ ...model, graph: { ...model.graph, nodes } }, { level: 'disabled', threads: 1 })
    await session.release()
  } catch (error) {
    const found =
      error instanceof StillroomError ? new RegExp(`${MARK.replaceAll('.', '\\.')}(\\d+)`).exec(error.where ?? '') : null
    if (found) return Number(found[1])
  }
  return undefined
}

interface InputType {
  text: string
  shape: readonly (number | string)[] | undefined
}

/** What the runtime infers for the inputs of a node, from the nodes before it. */
async function inputTypes(model: Model, index: number): Promise<InputType[]> {
  const { graph } = model
  const inputs = graph.nodes[index]!.inputs.filter((v) => v !== '')
  const before = graph.nodes.slice(0, index)
  const made = new Set(before.flatMap((n) => n.outputs))
  const asked = [...new Set(inputs.filter((v) => made.has(v)))]
  const inferred = new Map<string, { dtype: string; shape: InputType['shape'] }>()
  for (const v of graph.inputs) if (v.type?.kind === 'tensor') inferred.set(v.name, { dtype: v.type.dtype, shape: v.type.shape })
  for (const [name, data] of graph.initializers) inferred.set(name, { dtype: data.dtype, shape: data.dims })
  if (asked.length) {
    try {
      const outputs = asked.map((name) => ({ name, type: undefined }))
      const session = await createSession(
        { ...model, origin: undefined, graph: { ...graph, origin: undefined, nodes: before, outputs, values: new Map() } },
        { level: 'disabled', threads: 1 },
      )
      for (const port of session.outputs) if (port.dtype) inferred.set(port.name, { dtype: port.dtype, shape: port.shape })
      await session.release()
    } catch {
      // The nodes before it are refused as well: what is known without them has to do.
    }
  }
  return inputs.map((name) => {
    const type = inferred.get(name)
    return { text: `'${name}' ${type ? `${type.dtype}${showShape(type.shape)}` : 'of unknown type'}`, shape: type?.shape }
  })
}
