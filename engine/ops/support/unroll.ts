import { UnsupportedError } from '../../errors.ts'
import { byteLength } from '../../ir/index.ts'
import type { Builder } from '../builder.ts'
import type { Tensor } from '../tensor.ts'

/**
 * The most that one recurrence or loop may add to a graph when it is written out. Its gradient adds two to three times as much again, and
 * ONNX Runtime 1.30 takes time with the square of the number to create a session: 0.7 s for 3,000 nodes, 7.6 s for 12,000 on one core.
 */
export const UNROLL_CEILING = { nodes: 10_000, bytes: 2 * 2 ** 30 } as const

/** What writing a loop out costs: nodes, and bytes of the values that they make (all are kept where a gradient is taken). */
export interface UnrollCost {
  nodes: number
  bytes: number
}

/**
 * Watches one loop while it is unrolled into a builder: after the first pass the whole is known well enough to refuse it, before time and
 * memory go into the rest.
 */
export class UnrollGuard {
  readonly #b: Builder
  readonly #what: string
  readonly #where: string
  #seen: number
  #nodes = 0
  #bytes = 0

  /**
   * @param what the operator, as the message calls it.
   * @param where the node.
   */
  constructor(b: Builder, what: string, where: string) {
    this.#b = b
    this.#what = what
    this.#where = where
    this.#seen = b.steps.length
  }

  /** What was added since the last pass is done once and does not count. */
  skip(): void {
    this.#seen = this.#b.steps.length
  }

  /**
   * To be called after each pass. `trips` is undefined where the number of passes shows only as they are made.
   * Errors: UnsupportedError with the estimate, the ceiling and the remedy.
   */
  passed(done: number, trips: number | undefined): void {
    const cost = this.#estimate(done, trips)
    const { nodes, bytes } = UNROLL_CEILING
    if (cost.nodes <= nodes && cost.bytes <= bytes) return
    const passes = trips === undefined ? `at least ${done}` : String(trips)
    throw new UnsupportedError(
      `unrolling ${this.#what} over ${passes} steps takes about ${shown(cost)}; the ceiling is ${shown(UNROLL_CEILING)}`,
      {
        where: this.#where,
        hint: 'use shorter sequences or a smaller batch, or freeze what lies before this node; a teacher needs no unrolling',
      },
    )
  }

  /** The cost of all passes, from the mean of those that were made. */
  #estimate(done: number, trips = done): UnrollCost {
    for (const { steps } = this.#b; this.#seen < steps.length; this.#seen++) {
      this.#nodes += 1
      for (const y of steps[this.#seen]!.outputs) this.#bytes += byteLength(y.dtype, y.size)
    }
    const share = trips / done
    return { nodes: Math.ceil(this.#nodes * share), bytes: Math.ceil(this.#bytes * share) }
  }
}

/** `n` equal parts along an axis. Their sizes are no constant, so that a second unroll of the same node is the same graph. */
export function cut(t: Tensor, n: number, axis: number): Tensor[] {
  if (n === 1) return [t]
  return t.b.emit('Split', [t], t.b.opset < 18 ? { axis } : { axis, num_outputs: n }, { outputs: n })
}

const shown = ({ nodes, bytes }: UnrollCost): string =>
  `${nodes.toLocaleString('en-US')} nodes and ${bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`}`
