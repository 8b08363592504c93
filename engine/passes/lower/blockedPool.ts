import { PRIVATE } from '../../ops/index.ts'
import { geometry, type SpatialAttrs } from '../../ops/support/spatial.ts'
import { defineLowering, type LoweringContext } from '../lowering.ts'
import { blocked, canBlock, nchwc, plain, source } from '../support/nchwc.ts'

const attrsOf = (a: LoweringContext['a']) => a as unknown as SpatialAttrs & { ceil_mode: number; storage_order: number }

/** Explicit attributes of the blocked kernel. */
function kernelOf(ctx: LoweringContext) {
  const s = attrsOf(ctx.a)
  const g = geometry(ctx.x[0].shape.slice(2), s.kernel_shape!, s, s.ceil_mode !== 0)
  const attrs = {
    kernel_shape: g.kernel,
    strides: g.strides,
    dilations: g.dilations,
    pads: [...g.begin, ...g.end],
    ceil_mode: s.ceil_mode,
  }
  return { g, attrs }
}

export const maxPoolBlocked = defineLowering({
  op: 'MaxPool',
  priority: 10,
  when: (ctx) => ctx.outputs === 1 && canBlock(ctx, ctx.x[0]) && source(ctx.x[0]) !== undefined,
  lower: (ctx) => [plain(source(ctx.x[0])!.emit('MaxPool', [], kernelOf(ctx).attrs, nchwc), ctx.x[0].shape[1]!)],
})

/** Windows that tile the input: whoever equals its window's largest element gets dy; equals share it. */
export const maxPoolGradBlocked = defineLowering({
  op: 'MaxPoolGrad',
  domain: PRIVATE,
  priority: 10,
  when(ctx) {
    if (!canBlock(ctx, ctx.x[0]) || source(ctx.x[0]) === undefined) return false
    const { g } = kernelOf(ctx)
    const size = ctx.x[0].shape.slice(2)
    return g.kernel.every(
      (k, i) => k === g.strides[i] && g.dilations[i] === 1 && g.begin[i] === 0 && g.end[i] === 0 && g.out[i]! * k === size[i],
    )
  },
  lower(ctx) {
    const [x, dy] = ctx.x
    const { g, attrs } = kernelOf(ctx)
    const scales = [1, 1, ...g.kernel]
    const data = source(x)!
    const spread = (t: typeof x) => t.emit('Upsample', [], { scales }, nchwc)
    const won = data.emit('Equal', [spread(data.emit('MaxPool', [], attrs, nchwc))]).like(x)
    // The sum of a window is its mean times its size; two winners get half each.
    const winners = won.emit('AveragePool', [], { ...attrs, count_include_pad: 0 }, nchwc).mul(g.kernel.reduce((n, k) => n * k, 1))
    return [plain(won.mul(spread(blocked(dy, ctx.target.block).div(winners))), x.shape[1]!)]
  },
})
