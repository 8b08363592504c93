import { ModelError } from '../../errors.ts'
import type { Tensor } from '../tensor.ts'
import { cut } from './unroll.ts'

/** An elementwise function inside a recurrent cell. */
export interface Activation {
  /** Its input clipped first, where the node says so: for gates. */
  (x: Tensor): Tensor
  /** Never clipped: ONNX Runtime clips what enters a gate, not the cell on its way out. */
  readonly bare: (x: Tensor) => Tensor
}

interface Kind {
  readonly make: (x: Tensor, alpha: number, beta: number) => Tensor
  /** Defaults where the node gives none, as ONNX Runtime's kernels have them. Undefined: not a parameter of this function. */
  readonly alpha?: number
  readonly beta?: number
}

/** Functions that the standard names for recurrent operators and ONNX Runtime has, by lower-case name. */
const KINDS: Readonly<Record<string, Kind>> = {
  relu: { make: (x) => x.relu() },
  tanh: { make: (x) => x.tanh() },
  sigmoid: { make: (x) => x.sigmoid() },
  softsign: { make: (x) => x.emit('Softsign') },
  softplus: { make: (x) => x.softplus() },
  leakyrelu: { make: (x, alpha) => x.emit('LeakyRelu', [], { alpha }), alpha: 0.01 },
  // Equal to its threshold is below it, as in the standard.
  thresholdedrelu: { make: (x, alpha) => x.mul(x.greater(alpha).like(x)), alpha: 0 },
  elu: { make: (x, alpha) => x.emit('Elu', [], { alpha }), alpha: 1 },
  affine: { make: (x, alpha, beta) => x.mul(alpha).add(beta), alpha: 0, beta: 0 },
  scaledtanh: { make: (x, alpha, beta) => x.mul(beta).tanh().mul(alpha), alpha: 0, beta: 0 },
  hardsigmoid: { make: (x, alpha, beta) => x.mul(alpha).add(beta).clip(0, 1), alpha: 0.2, beta: 0.5 },
}

interface Named {
  readonly activations: readonly string[] | undefined
  readonly activation_alpha: readonly number[] | undefined
  readonly activation_beta: readonly number[] | undefined
  readonly clip: number | undefined
}

/**
 * The activations of each direction. Values of `activation_alpha` and `activation_beta` go, in order, to the functions that take one.
 * Errors: ModelError for an unknown name or too few of them.
 */
export function activationsOf(a: Named, directions: number, defaults: readonly string[]): Activation[][] {
  const alphas = [...(a.activation_alpha ?? [])]
  const betas = [...(a.activation_beta ?? [])]
  const each = defaults.length
  const names = a.activations ?? Array<readonly string[]>(directions).fill(defaults).flat()
  if (names.length < each * directions)
    throw new ModelError(`activations has ${names.length} names, expected ${each * directions}`, { where: 'attribute activations' })
  const take = (list: number[], fallback: number | undefined) => (fallback === undefined ? 0 : (list.shift() ?? fallback))
  const activation = (name: string): Activation => {
    const kind = KINDS[name.toLowerCase()]
    if (!kind)
      throw new ModelError(`activation '${name}' is unknown`, {
        where: 'attribute activations',
        hint: `known are ${Object.keys(KINDS).join(', ')}`,
      })
    const [alpha, beta] = [take(alphas, kind.alpha), take(betas, kind.beta)]
    const limit = a.clip !== undefined && a.clip > 0 ? a.clip : undefined
    const bare = (x: Tensor) => kind.make(x, alpha, beta)
    return Object.assign((x: Tensor) => bare(limit === undefined ? x : x.clip(-limit, limit)), { bare })
  }
  return Array.from({ length: directions }, (_, d) => names.slice(d * each, (d + 1) * each).map(activation))
}

/** One call for neighbouring gates of the same function: `f` of a stack of gates equals the stack of `f` of each. */
export const stacked = (f: Activation, gates: Tensor, n: number): Tensor[] => cut(f(gates), n, 1)
