import type { InputSpec } from '../data/index.ts'
import { ModelError } from '../errors.ts'
import { tensorPath } from '../inspect/index.ts'
import type { Model } from '../ir/index.ts'
import { inlineFunctions, upgradeOpset } from '../onnx/index.ts'
import { inlineGraph, newBuilder, type Tensor } from '../ops/index.ts'
import { bindInputs, constantOf, withoutBatch } from './bindInputs.ts'
import type { Net } from './program.ts'

/** A model as a network of the step graph: functions inlined, opset raised, without labels made of its answers. Names of weights stay. */
export function toNet(model: Model, logits: string, features: readonly string[] = []): Net {
  const { model: raised } = upgradeOpset(inlineFunctions(model))
  const graph = tensorPath(raised.graph)
  return { model: graph === raised.graph ? raised : { ...raised, origin: undefined, graph }, logits, features }
}

/** Every value of a network by name, for inputs of the given whole shapes. */
export function shapesOf({ model: { graph } }: Pick<Net, 'model'>, inputs: readonly InputSpec[]): Map<string, Tensor> {
  const b = newBuilder()
  const fed = bindInputs(graph, inputs).map(({ name, dtype, from, single }) => {
    const { shape } = inputs[from]!
    const known = constantOf(b, inputs[from]!, dtype)
    return [name, known ?? b.input(name, dtype, single ? withoutBatch(shape, name) : shape)] as const
  })
  return inlineGraph(b, graph, new Map(fed))
}

/** Values where features can be compared: outputs of activations and sums on feature maps, each the last before the size changes. */
export function featureTaps(net: Pick<Net, 'model'>, inputs: readonly InputSpec[]): { name: string; shape: readonly number[] }[] {
  const values = shapesOf(net, inputs)
  const rank = inputs[0]!.shape.length
  const out: { name: string; shape: readonly number[] }[] = []
  const seen = new Set([
    'Relu',
    'Clip',
    'LeakyRelu',
    'PRelu',
    'Elu',
    'Selu',
    'Sigmoid',
    'HardSwish',
    'HardSigmoid',
    'Gelu',
    'Mish',
    'Softplus',
    'Tanh',
    'Add',
    'Mul',
  ])
  for (const node of net.model.graph.nodes) {
    const t = seen.has(node.op) ? values.get(node.outputs[0] ?? '') : undefined
    if (!t || t.rank !== rank || t.rank < 3) continue
    const last = out.at(-1)
    if (last && last.shape.slice(2).join() === t.shape.slice(2).join()) out.pop()
    out.push({ name: node.outputs[0]!, shape: t.shape })
  }
  return out
}

export interface Pair {
  student: string
  teacher: string
}

/**
 * Layers to compare, from input to output. Automatic: feature maps of equal spatial size, and where none are equal the ones at the same
 * relative depth. `given` (STUDENT=TEACHER) overrides by name.
 */
export function pairLayers(student: Net, teacher: Net, inputs: readonly InputSpec[], given: readonly string[] = []): Pair[] {
  if (given.length)
    return given.map((pair) => {
      const [s, t] = pair.split('=')
      if (!s || !t) throw new ModelError(`'${pair}' is no pair`, { where: 'pairs', hint: 'write STUDENT=TEACHER' })
      return { student: s, teacher: t }
    })
  const [mine, theirs] = [featureTaps(student, inputs), featureTaps(teacher, inputs)]
  const equal = mine.flatMap((s) => {
    const t = theirs.find((q) => q.shape.slice(2).join() === s.shape.slice(2).join())
    return t ? [{ student: s.name, teacher: t.name }] : []
  })
  if (equal.length || !mine.length || !theirs.length) return equal
  return mine.map((s, i) => ({
    student: s.name,
    teacher: theirs[Math.round((i * (theirs.length - 1)) / Math.max(1, mine.length - 1))]!.name,
  }))
}
