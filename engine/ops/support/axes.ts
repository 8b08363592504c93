import { BugError } from '../../errors.ts'
import { axisOf, showShape } from '../../ir/index.ts'
import type { Tie } from '../rule.ts'

type Fail = (message: string) => never

/** For what `infer` has already ruled out. */
export function fault(message: string): never {
  throw new BugError(message)
}

/** An axis in [0, rank). */
export function axisIn(axis: number, rank: number, fail: Fail): number {
  const k = axisOf(axis, rank)
  if (k < 0 || k >= rank) fail(`axis ${axis} is outside of [${-rank}, ${rank - 1}]`)
  return k
}

/** Axes in [0, rank), each once. */
export function axesIn(axes: readonly number[], rank: number, fail: Fail): number[] {
  const out = axes.map((a) => axisIn(a, rank, fail))
  if (new Set(out).size !== out.length) fail(`axes ${showShape(axes)} name one axis twice`)
  return out
}

/** Equal sizes kept in order, as reshapes do: walks both shapes and ties the groups of axes that have the same elements. */
export function reshapeTies(from: readonly number[], to: readonly number[]): Tie[] {
  const ties: Tie[] = []
  const p = from.map((size, axis) => ({ size, axis })).filter((d) => d.size !== 1)
  const q = to.map((size, axis) => ({ size, axis })).filter((d) => d.size !== 1)
  let i = 0
  let j = 0
  while (i < p.length && j < q.length) {
    const [i0, j0] = [i, j]
    let m = p[i++]!.size
    let n = q[j++]!.size
    while (m !== n) {
      if (m < n && i < p.length) m *= p[i++]!.size
      else if (n < m && j < q.length) n *= q[j++]!.size
      else return ties
    }
    const x = p[i0]!
    const y = q[j0]!
    // A group of one axis on one side: the outermost axis of the other side moves in blocks along it.
    if (i - i0 === 1 && j - j0 === 1) ties.push({ a: ['x0', x.axis], b: ['y0', y.axis] })
    else if (j - j0 === 1) ties.push({ a: ['x0', x.axis], b: ['y0', y.axis], repeat: y.size / x.size })
    else if (i - i0 === 1) ties.push({ a: ['y0', y.axis], b: ['x0', x.axis], repeat: x.size / y.size })
  }
  return ties
}

/** Ties of input 0's axes to output axes where `keep` holds; `to` maps the axis number. */
export const tieAxes = (rank: number, keep: (axis: number) => boolean, to: (axis: number) => number = (i) => i): Tie[] =>
  Array.from({ length: rank }, (_, i) => i)
    .filter(keep)
    .map((i): Tie => ({ a: ['x0', i], b: ['y0', to(i)] }))
