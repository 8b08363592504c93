import { ModelError } from '../errors.ts'
import type { Model, ValueInfo } from '../ir/index.ts'
import { inlineFunctions, upgradeOpset } from '../onnx/index.ts'
import { inlineGraph, newBuilder, type Tensor } from '../ops/index.ts'
import type { Net } from './program.ts'

/** The one input that data goes to. Errors: ModelError where there are none or several. */
export function dataInput(model: Model): ValueInfo {
  const inputs = model.graph.inputs.filter((v) => !model.graph.initializers.has(v.name))
  if (inputs.length === 1) return inputs[0]!
  throw new ModelError(`the model has ${inputs.length} inputs, one image or feature input is expected`, {
    where: inputs.map((v) => v.name).join(', '),
  })
}

/** A model as a network of the step graph: functions inlined, opset raised. Names of weights stay. */
export function toNet(model: Model, logits: string, features: readonly string[] = []): Net {
  return { model: upgradeOpset(inlineFunctions(model)).model, input: dataInput(model).name, logits, features }
}

/** Every value of a network for one sample of `shape`, by name. */
export function shapesOf(net: Pick<Net, 'model' | 'input'>, shape: readonly number[]): Map<string, Tensor> {
  const b = newBuilder()
  return inlineGraph(b, net.model.graph, new Map([[net.input, b.input('x', 'float32', [1, ...shape])]]))
}

/** Values where features can be compared: outputs of activations and sums on feature maps, each the last before the size changes. */
export function featureTaps(
  net: Pick<Net, 'model' | 'input'>,
  shape: readonly number[],
): { name: string; shape: readonly number[] }[] {
  const values = shapesOf(net, shape)
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
    if (!t || t.rank !== shape.length + 1 || t.rank < 3) continue
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
export function pairLayers(student: Net, teacher: Net, shape: readonly number[], given: readonly string[] = []): Pair[] {
  if (given.length)
    return given.map((pair) => {
      const [s, t] = pair.split('=')
      if (!s || !t) throw new ModelError(`'${pair}' is no pair`, { where: 'pairs', hint: 'write STUDENT=TEACHER' })
      return { student: s, teacher: t }
    })
  const [mine, theirs] = [featureTaps(student, shape), featureTaps(teacher, shape)]
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
