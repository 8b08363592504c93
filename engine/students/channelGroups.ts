import { BugError, UnsupportedError } from '../errors.ts'
import { showNode } from '../ir/index.ts'
import type { Step, Tensor, Tie } from '../ops/index.ts'

/** One axis of a tensor, as part of its group: `size = units * each`. */
export interface Member {
  readonly group: number
  /** Neighbouring entries that stand for one unit of the group: H * W after a Flatten of [C, H, W]. */
  readonly each: number
}

/**
 * Axes that must be scaled and pruned together, found by walking the operators' `channels` ties (union-find). Each group has units;
 * a member axis holds `each` entries for every unit.
 */
export class ChannelGroups {
  readonly #parent: number[] = []
  /** Entries of this axis for each unit of its parent. A fraction until a finer axis joins the group. */
  readonly #ratio: number[] = []
  readonly #size: number[] = []
  readonly #ids = new Map<Tensor, number[]>()

  /** Errors: UnsupportedError where two axes are tied whose sizes are no multiples of each other. */
  constructor(steps: readonly Step[]) {
    for (const step of steps)
      for (const tie of tiesOf(step)) {
        const a = this.#idAt(step, tie.a)
        const b = this.#idAt(step, tie.b)
        if (a !== undefined && b !== undefined) this.#union(a, b, tie.repeat ?? 1, step)
      }
  }

  /** Where an axis belongs. */
  at(t: Tensor, axis: number): Member {
    const { root, ratio } = this.#find(this.#idsOf(t)[axis]!)
    return { group: root, each: ratio }
  }

  /** Units of a group. */
  units(group: number): number {
    return this.#size[group]!
  }

  #idsOf(t: Tensor): number[] {
    const known = this.#ids.get(t)
    if (known) return known
    const ids = t.shape.map((size) => {
      this.#parent.push(this.#parent.length)
      this.#ratio.push(1)
      this.#size.push(size)
      return this.#parent.length - 1
    })
    this.#ids.set(t, ids)
    return ids
  }

  #idAt(step: Step, [slot, axis]: Tie['a']): number | undefined {
    const t = tensorAt(step, slot)
    if (!t) return undefined
    const id = this.#idsOf(t)[axis]
    if (id === undefined) throw new BugError(`the rule of ${step.node.op} ties axis ${axis} of ${t.toString()}`)
    return id
  }

  #find(id: number): { root: number; ratio: number } {
    let root = id
    let ratio = 1
    while (this.#parent[root] !== root) {
      ratio *= this.#ratio[root]!
      root = this.#parent[root]!
    }
    return { root, ratio }
  }

  /** size(b) = repeat * size(a): the group with fewer units becomes the root. */
  #union(a: number, b: number, repeat: number, step: Step): void {
    const p = this.#find(a)
    const q = this.#find(b)
    // Units: p.ratio * repeat * U_p = q.ratio * U_q.
    const factor = (p.ratio * repeat) / q.ratio
    if (p.root === q.root) {
      if (factor === 1) return
      throw unsuitable(step, 'its axes are tied to each other with different sizes')
    }
    if (this.#size[q.root] !== this.#size[p.root]! * factor)
      throw unsuitable(step, `it ties ${this.#size[p.root]} units to ${this.#size[q.root]}`)
    const [root, child, ratio] = factor >= 1 ? [p.root, q.root, factor] : [q.root, p.root, 1 / factor]
    if (!Number.isInteger(ratio)) throw unsuitable(step, `${this.#size[child]} is no multiple of ${this.#size[root]}`)
    this.#parent[child] = root
    this.#ratio[child] = ratio
  }
}

const unsuitable = (step: Step, reason: string): UnsupportedError =>
  new UnsupportedError(`the channels of this model cannot be grouped: ${reason}`, { where: `node ${showNode(step.node)}` })

export const tiesOf = ({ rule, inputs, outputs, a }: Step): readonly Tie[] =>
  rule?.channels?.({ x: inputs, y: outputs, a } as unknown as Parameters<NonNullable<typeof rule.channels>>[0]) ?? []

export function tensorAt(step: Step, slot: string): Tensor | undefined {
  const from = slot.startsWith('x') ? step.inputs : step.outputs
  return from[Number(slot.slice(1))]
}

/** Axes of a step's inputs and outputs that its ties speak of, as `x0:1`. */
export const tiedAxes = (step: Step): Set<string> =>
  new Set(tiesOf(step).flatMap(({ a, b }) => [`${a.join(':')}`, `${b.join(':')}`]))
