import { ModelError } from '../errors.ts'
import { getFloat, getInt, type Graph, type Node } from '../ir/index.ts'
import { batchNorm, inlineGraph, withFedDraws, type Builder, type FedDraw, type Tensor } from '../ops/index.ts'
import { fakeQuantizer } from './fakeQuantize.ts'
import { rolesOf } from './parameters.ts'
import type { Held, Mask, StepSpec } from './program.ts'
import { seenParameters } from './seen.ts'

/** Prefix of running statistics in a training's state. */
const STAT = 'stat/'

/** A running statistic of a batch norm: as it is, and after this batch. */
export interface Moved {
  name: string
  now: Tensor
  next: Tensor
}

/** What the student takes from the step around it. */
export interface StudentContext {
  held: Held
  masks: Mask[]
  draw: FedDraw
}

function noParameters(graph: Graph): ModelError {
  const where = graph.name
  const whole = graph.nodes.some(({ op, inputs: [x] }) => op === 'DequantizeLinear' && graph.initializers.has(x ?? ''))
  if (!whole) return new ModelError('the student has no trainable parameters', { where })
  return new ModelError('the student has no trainable parameters: its weights are stored as integers', {
    where,
    hint: 'train the model in floats, and quantize it with --qat',
  })
}

type Given = Pick<StepSpec, 'student' | 'methods' | 'qat' | 'frozen'>

/**
 * The student in training mode: parameters and statistics are state, batch norms use the batch (until they are frozen), dropout is a fed
 * mask, and what is to be rounded is.
 */
export function trainable(b: Builder, spec: Given, fed: ReadonlyMap<string, Tensor>, { held, masks, draw }: StudentContext) {
  const { graph } = spec.student.model
  const roles = rolesOf(graph)
  if (!roles.parameters.length) throw noParameters(graph)
  const seen = seenParameters(b, spec, held)
  const statistics = new Set(roles.statistics)
  const updates: Moved[] = []
  /** Running statistics of a batch norm move towards those of the batch. */
  const move = (node: Node, [old, now]: readonly [readonly Tensor[], readonly Tensor[]]) => {
    const momentum = getFloat(node, 'momentum', 0.9)
    for (const i of [0, 1])
      if (statistics.has(node.inputs[3 + i]!))
        updates.push({
          name: STAT + node.inputs[3 + i]!,
          now: now[i]!,
          next: old[i]!.mul(momentum).add(now[i]!.mul(1 - momentum)),
        })
  }
  const rounding = spec.qat && fakeQuantizer(b, spec.qat, { held, move, frozen: spec.frozen ?? false })

  const made = (node: Node, inputs: readonly (Tensor | undefined)[]): readonly Tensor[] | undefined => {
    const rounded = rounding?.node(node, inputs)
    if (rounded) return rounded
    if (node.op === 'BatchNormalization' && node.domain === '' && !spec.frozen) {
      const [data, scale, bias, mean, variance] = inputs as Tensor[]
      const [y, m, v] = batchNorm(data!, scale!, bias!, getFloat(node, 'epsilon', 1e-5))
      move(node, [
        [mean!, variance!],
        [m!, v!],
      ])
      return [y!]
    }
    if (node.op === 'Dropout' && node.domain === '') {
      const [data, ratio] = inputs as (Tensor | undefined)[]
      const r = ratio?.scalarValue ?? 0.5
      if (r === 0 || getInt(node, 'is_test', 0) === 1) return [data!]
      // In the body of a loop every pass has a mask of its own, and a name for it.
      const mask = b.input(`mask/${node.outputs[0]!}`, 'float32', data!.shape)
      masks.push({ name: mask.name, shape: mask.shape, ratio: r })
      return [data!.mul(mask)]
    }
    return withFedDraws(node, inputs, draw)
  }
  const inputs = rounding ? new Map([...fed].map(([name, t]) => [name, rounding.value(name, t)])) : fed
  const values = inlineGraph(b, graph, inputs, {
    initializer: (name, data) =>
      seen(name, data) ?? (statistics.has(name) ? held(STAT + name, data.dims, data.as('float32')) : undefined),
    node: (node, x) => {
      const y = made(node, x)
      if (!rounding?.rounds(node)) return y
      return (y ?? b.emitNode(node, x)).map((t, i) => rounding.value(node.outputs[i]!, t))
    },
  })
  return { values, statistics: updates, clips: [...(rounding?.clips ?? [])] }
}
