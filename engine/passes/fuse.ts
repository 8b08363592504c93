import { sameShape } from '../ir/index.ts'
import { Builder, replay, type Step, type Tensor } from '../ops/index.ts'
import { nchwcDomain } from '../ops/rules/nchwc.ts'

/**
 * Lets blocked convolutions (depthwise passes among them) add a residual and rectify in the same pass, where nothing else reads what they gave
 * before. ONNX Runtime does this itself only for the convolutions that it blocked itself.
 */
export function fuseBlocked(from: Builder, outputs: readonly Tensor[]): { b: Builder; at: (old: Tensor) => Tensor } {
  const uses = new Map<Tensor, number>()
  const count = (t: Tensor) => uses.set(t, (uses.get(t) ?? 0) + 1)
  for (const step of from.reachable(outputs)) for (const x of step.inputs) if (x) count(x)
  outputs.forEach(count)
  const into = new Builder(from.rules, from.opset)
  // What each replayed convolution is now: fusing happens twice to one that takes a residual and is rectified.
  const made = new Map<Tensor, { inputs: readonly (Tensor | undefined)[]; a: Step['a'] }>()
  const convOf = (t: Tensor) => (uses.get(t) === 1 ? made.get(t) : undefined)
  const emit = (old: Tensor, inputs: readonly (Tensor | undefined)[], a: Step['a']): Tensor[] => {
    made.set(old, { inputs, a })
    return into.emit('Conv', inputs, a, { domain: nchwcDomain })
  }
  const at = replay(from, into, outputs, (step, inputs) => {
    const [p, q] = step.inputs
    const y = step.outputs[0]!
    if (step.node.op === 'Conv' && step.node.domain === nchwcDomain) made.set(y, { inputs, a: step.a })
    if (step.node.op === 'Relu') {
      const conv = convOf(p!)
      if (conv && !conv.a.activation) return emit(y, conv.inputs, { ...conv.a, activation: 'Relu' })
    }
    if (step.node.op === 'Add' && sameShape(p!.shape, q!.shape)) {
      // The later of the two takes the other in.
      for (const [own, other] of [
        [q!, inputs[0]],
        [p!, inputs[1]],
      ] as const) {
        const conv = convOf(own)
        if (conv && !conv.a.activation && !conv.inputs[3])
          return emit(y, [conv.inputs[0], conv.inputs[1], conv.inputs[2], other], conv.a)
      }
    }
    return undefined
  })
  return { b: into, at }
}
