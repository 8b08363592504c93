import { PRIVATE, type Tensor } from '../../ops/index.ts'
import { geometry, taps, type Geometry, type SpatialAttrs } from '../../ops/support/spatial.ts'
import { defineLowering, type LoweringContext } from '../lowering.ts'
import { place, seenByTaps } from '../support/taps.ts'
import { onWebGpu } from '../support/webgpu.ts'

/** Below every number of a model, and finite: shader compilers need not keep infinities. */
const LOWEST = -3.4e38

const windowOf = (x: Tensor, a: LoweringContext['a']): Geometry => {
  const attrs = a as unknown as SpatialAttrs & { ceil_mode: number }
  return geometry(x.shape.slice(2), [], attrs, attrs.ceil_mode !== 0)
}

/**
 * For each tap of the window, 1 where it holds the largest element, [N, C, out...]. Of several that are equal the first one in row-major order
 * wins, like the positions of the CPU's kernel: the kernel of this provider returns none.
 */
function winners(x: Tensor, g: Geometry): Tensor[] {
  const seen = seenByTaps(x, g, LOWEST)
  const largest = seen.reduce((best, t) => best.maximum(t))
  let taken: Tensor | undefined
  return seen.map((t) => {
    const equal = t.equal(largest).cast(x.dtype)
    const first = taken ? equal.mul(taken.rsub(1)) : equal
    taken = taken ? taken.add(first) : first
    return first
  })
}

/** dy goes to the tap that won: a sum over the taps, in a fixed order, where adding at positions would be in a random one. */
export const maxPoolGradByTaps = defineLowering({
  op: 'MaxPoolGrad',
  domain: PRIVATE,
  priority: 2,
  when: onWebGpu,
  lower({ x: [x, dy], a }) {
    const g = windowOf(x, a)
    const list = taps(g.kernel)
    const parts = winners(x, g).map((won, i) => place(won.mul(dy), list[i]!, g, x.shape.slice(2)))
    return [parts.reduce((sum, t) => sum.add(t))]
  },
})

/** v at the tap that won: the adjoint of the above. */
export const maxPoolSelectByTaps = defineLowering({
  op: 'MaxPoolSelect',
  domain: PRIVATE,
  priority: 2,
  when: onWebGpu,
  lower({ x: [x, v], a }) {
    const g = windowOf(x, a)
    const seen = seenByTaps(v, g)
    return [winners(x, g).map((won, i) => won.mul(seen[i]!)).reduce((sum, t) => sum.add(t))] // prettier-ignore
  },
})
