import { ModelError, OptionError, StillroomError, UnsupportedError } from '../errors.ts'
import { isFloat, showNode, showShape, sizeOf, strides, TensorData, type Graph, type Model, type Node } from '../ir/index.ts'
import { inlineGraph, newBuilder, type Builder, type Step, type Tensor } from '../ops/index.ts'
import { ChannelGroups, tensorAt, tiedAxes } from './channelGroups.ts'
import { normalise } from './normalise.ts'
import { reinitialise } from './reinitialise.ts'

export interface WidthOptions {
  /** Shape of one sample, without the batch axis, where the model does not say. */
  input?: readonly number[] | undefined
  seed: number
  /** 'fresh' draws new weights from the seed, 'slice' keeps those of the first units (widths up to 1). */
  init?: 'fresh' | 'slice' | undefined
}

/** Symbolic run of a model on two samples, with every float parameter as an input, so that none is merged or folded. */
interface Trace {
  b: Builder
  values: Map<string, Tensor>
}

/**
 * A narrower (or wider) copy of a plain sequential or residual network: every hidden channel count becomes round(x * count), at least
 * 1. Axes that must agree are found through the operators' channel ties; those that reach the model's inputs or outputs keep their
 * size. Nodes and names stay; 0 < x.
 * Errors: UnsupportedError naming the node whose operator does not say how its channels hang together; OptionError for a bad width.
 */
export function scaleWidth(model: Model, x: number, options: WidthOptions): Model {
  const { init = 'fresh', seed } = options
  if (!(x > 0 && x <= 16)) throw new OptionError(`the width must be above 0 and at most 16, found ${x}`, { where: 'student' })
  if (init === 'slice' && x > 1)
    throw new OptionError(`width ${x} has more units than the teacher, whose weights it cannot keep`, {
      where: 'student',
      hint: 'leave init=slice out',
    })
  const hoisted = normalise(model)
  const { b, values } = trace(hoisted, options.input)
  const groups = new ChannelGroups(b.steps)
  const scaled = scaledGroups(hoisted.graph, b, values, groups)
  for (const step of b.steps) checkTies(step, groups, scaled)
  const newSize = (t: Tensor, axis: number): number => {
    const { group, each } = groups.at(t, axis)
    return scaled.has(group) ? Math.max(1, Math.round(x * groups.units(group))) * each : t.shape[axis]!
  }
  const narrow = resize(hoisted, values, newSize)
  const out = init === 'fresh' ? reinitialise(narrow, seed) : narrow
  verify(out, hoisted.graph, values, options.input)
  return out
}

function trace(model: Model, input: readonly number[] | undefined): Trace {
  const b = newBuilder()
  const given = new Map<string, Tensor>()
  for (const { name, type } of model.graph.inputs) {
    if (model.graph.initializers.has(name)) continue
    if (type?.kind !== 'tensor') throw new ModelError(`input '${name}' is no tensor`, { where: 'width' })
    const shape =
      type.shape?.map((d, i) => (typeof d === 'number' ? d : i === 0 ? 2 : (input?.[i - 1] ?? 0))) ?? (input ? [2, ...input] : [0])
    if (shape.some((d) => d < 1))
      throw new OptionError(`the shape of input '${name}' is not known: ${showShape(type.shape)}`, {
        where: 'student',
        hint: 'state the input shape',
      })
    given.set(name, b.input(name, type.dtype, shape))
  }
  const initializer = (name: string, data: TensorData) =>
    isFloat(data.dtype) && data.size > 1 ? b.input(name, data.dtype, data.dims) : undefined
  return { b, values: inlineGraph(b, model.graph, given, { initializer }) }
}

/** Groups that hold output channels of a weight and touch neither inputs nor outputs of the model. */
function scaledGroups(graph: Graph, b: Builder, values: ReadonlyMap<string, Tensor>, groups: ChannelGroups): Set<number> {
  const scaled = new Set<number>()
  for (const step of b.steps) {
    const y = step.outputs[0]!
    if (step.node.op === 'Conv' || step.node.op === 'ConvTranspose') scaled.add(groups.at(y, 1).group)
    else if (step.node.op === 'Gemm' || step.node.op === 'MatMul') scaled.add(groups.at(y, y.rank - 1).group)
  }
  const ends = [...graph.inputs.filter((v) => !graph.initializers.has(v.name)), ...graph.outputs]
  for (const { name } of ends) {
    const t = values.get(name)
    t?.shape.forEach((_, axis) => scaled.delete(groups.at(t, axis).group))
  }
  return scaled
}

function checkTies(step: Step, groups: ChannelGroups, scaled: ReadonlySet<number>): void {
  const tied = tiedAxes(step)
  const where = `node ${showNode(step.node)}`
  const slots = [...step.inputs.map((_, i) => `x${i}`), ...step.outputs.map((_, i) => `y${i}`)]
  for (const slot of slots) {
    const t = tensorAt(step, slot)
    t?.shape.forEach((size, axis) => {
      if (tied.has(`${slot}:${axis}`) || !scaled.has(groups.at(t, axis).group)) return
      throw new UnsupportedError(`width cannot be scaled: ${step.node.op} does not say what becomes of its ${size} channels`, {
        where,
        hint: step.rule?.channels
          ? 'this use of the operator mixes channels; take a template as student instead'
          : `add 'channels' to the rule of ${step.node.op} in engine/ops/rules, or take a template as student`,
      })
    })
  }
}

/** Initializers cut (or extended with zeros) to their new shape, and the numbers in nodes that follow from it. */
function resize(model: Model, values: ReadonlyMap<string, Tensor>, newSize: (t: Tensor, axis: number) => number): Model {
  const { graph } = model
  const initializers = new Map(graph.initializers)
  for (const [name, data] of graph.initializers) {
    const t = values.get(name)
    if (!t || t.value) continue
    const dims = data.dims.map((_, axis) => newSize(t, axis))
    if (dims.some((d, i) => d !== data.dims[i])) initializers.set(name, crop(data, dims))
  }
  const nodes = graph.nodes.map((node) => {
    const y = values.get(node.outputs[0] ?? '')
    const x = values.get(node.inputs[0] ?? '')
    if (node.op === 'Conv' && y && x) return withGroup(node, x.shape[1]!, newSize(x, 1))
    if (node.op === 'Reshape' && y) return withTarget(node, y, initializers, newSize)
    return node
  })
  const kept = new Set([...graph.inputs, ...graph.outputs].map((v) => v.name))
  const types = [...graph.values].filter(([name]) => kept.has(name))
  return { ...model, graph: { ...graph, nodes, initializers, values: new Map(types) } }
}

/** Depthwise convolutions keep one group a channel. */
function withGroup(node: Node, before: number, after: number): Node {
  const group = node.attrs.get('group')
  if (before === after || group?.type !== 'int' || Number(group.value) !== before || before === 1) return node
  return { ...node, attrs: new Map(node.attrs).set('group', { type: 'int', value: after }) }
}

/** A Reshape to constant numbers follows its output's new shape; 0 and -1 follow by themselves. */
function withTarget(
  node: Node,
  y: Tensor,
  initializers: Map<string, TensorData>,
  newSize: (t: Tensor, axis: number) => number,
): Node {
  const target = initializers.get(node.inputs[1] ?? '')
  if (!target) return node
  const before = Array.from(target.numbers())
  const after = before.map((d, axis) => (d > 0 && d === y.shape[axis] ? newSize(y, axis) : d))
  if (after.every((d, i) => d === before[i])) return node
  const name = `${node.outputs[0]}_shape`
  initializers.set(name, TensorData.int64(after))
  return { ...node, inputs: [node.inputs[0]!, name] }
}

function crop(data: TensorData, dims: readonly number[]): TensorData {
  const from = data.numbers()
  const out = new Float64Array(sizeOf(dims))
  const [inner, outer] = [strides(data.dims), strides(dims)]
  for (let i = 0; i < out.length; i++) {
    let source = 0
    for (let axis = 0; axis < dims.length && source >= 0; axis++) {
      const at = Math.floor(i / outer[axis]!) % dims[axis]!
      source = at < data.dims[axis]! ? source + at * inner[axis]! : -1
    }
    if (source >= 0) out[i] = from[source]!
  }
  return TensorData.from(data.dtype, dims, out)
}

/** The new model must still have consistent shapes and the same outputs; what does not is a use that the ties do not cover. */
function verify(model: Model, before: Graph, values: ReadonlyMap<string, Tensor>, input: readonly number[] | undefined): void {
  const fail = (reason: string, cause?: unknown) =>
    new UnsupportedError(`width cannot be scaled: ${reason}`, {
      where: 'student',
      hint: 'take a template as student instead',
      cause,
    })
  let after: Map<string, Tensor>
  try {
    after = trace(model, input).values
  } catch (error) {
    if (error instanceof StillroomError) throw fail(`${error.where ?? 'a node'}: ${error.message}`, error)
    throw error
  }
  for (const { name } of before.outputs) {
    const [p, q] = [values.get(name)?.shape, after.get(name)?.shape]
    if (p && q && showShape(p) !== showShape(q)) throw fail(`output '${name}' would change from ${showShape(p)} to ${showShape(q)}`)
  }
}
