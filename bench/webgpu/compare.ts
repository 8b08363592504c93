import type { Case } from './cases.ts'
import { train } from './training.ts'

/** One training on the CPU and on WebGPU. */
export interface Comparison {
  name: string
  title: string
  steps: number
  /** Operators of the step on WebGPU. */
  nodes: number
  losses: { cpu: number[]; webgpu: number[] }
  /** Largest relative difference of a loss. */
  lossError: number
  /** Norm of the difference of all parameters and statistics, relative to the norm of how far they moved in the training. */
  parameterError: number
  fallbacks: { node: string; op: string }[]
  copies: number
  /** State tensors of the step, and how many of them stayed on the device throughout. */
  state: number
  onDevice: number
  firstStepSeconds: number
  stepSeconds: number
}

/** State that the model consists of: moments of the optimizer are left out, as their scale is another. */
const ofTheModel = (name: string): boolean => /^(param|stat)\//.test(name)

export async function compare(c: Case, steps: number): Promise<Comparison> {
  const cpu = await train(c, 'cpu', steps)
  const gpu = await train(c, 'webgpu', steps)
  const begin = await train(c, 'cpu', 0)
  let [apart, moved] = [0, 0]
  for (const [name, values] of cpu.state) {
    if (!ofTheModel(name)) continue
    const [other, first] = [gpu.state.get(name)!, begin.state.get(name)!]
    values.forEach((v, i) => {
      apart += (v - other[i]!) ** 2
      moved += (v - first[i]!) ** 2
    })
  }
  const later = gpu.seconds.slice(1).sort((a, b) => a - b)
  return {
    name: c.name,
    title: c.title,
    steps,
    nodes: gpu.nodes,
    losses: { cpu: cpu.losses, webgpu: gpu.losses },
    lossError: Math.max(...cpu.losses.map((v, i) => Math.abs(v - gpu.losses[i]!) / Math.abs(v))),
    parameterError: Math.sqrt(apart / moved),
    fallbacks: gpu.fallbacks,
    copies: gpu.copies,
    state: gpu.changes,
    onDevice: gpu.onDevice,
    firstStepSeconds: gpu.seconds[0]!,
    stepSeconds: later[later.length >> 1] ?? NaN,
  }
}
