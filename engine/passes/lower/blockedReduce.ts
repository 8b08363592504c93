import { defineLowering, type LoweringContext } from '../lowering.ts'
import { canBlock, meanOfChannels, meanOfPositions, nchwc, plain, source } from '../support/nchwc.ts'

const axesOf = (ctx: LoweringContext): number[] | undefined => {
  const value = ctx.opt(1)?.value
  return value ? Array.from(value.numbers(), (a) => (a < 0 ? a + ctx.x[0].rank : a)).sort((p, q) => p - q) : undefined
}
const covers = (ctx: LoweringContext): 'channels' | 'positions' | undefined => {
  const axes = axesOf(ctx)?.join()
  return axes === '0,2,3' ? 'channels' : axes === '2,3' ? 'positions' : undefined
}

/** Sums and means by channel, or by image and channel, of blocked values. */
export const reduceBlocked = defineLowering({
  op: ['ReduceSum', 'ReduceMean'],
  priority: 10,
  when: (ctx) => source(ctx.x[0]) !== undefined && canBlock(ctx, ctx.x[0]) && covers(ctx) !== undefined,
  lower(ctx) {
    const { x: [x], step } = ctx // prettier-ignore
    const [n, c, h, w] = x.shape as [number, number, number, number]
    const byChannel = covers(ctx) === 'channels'
    const mean = byChannel ? meanOfChannels(source(x)!, c) : meanOfPositions(source(x)!, c)
    const count = (byChannel ? n : 1) * h * w
    return [(step.node.op === 'ReduceSum' ? mean.mul(count) : mean).reshape(step.outputs[0]!.shape)]
  },
})

export const globalAveragePoolBlocked = defineLowering({
  op: 'GlobalAveragePool',
  priority: 10,
  when: (ctx) => source(ctx.x[0]) !== undefined && canBlock(ctx, ctx.x[0]),
  lower: ({ x: [x] }) => [meanOfPositions(source(x)!, x.shape[1]!)],
})

/** One number an image and channel spread over all positions: the gradient of a global pool. */
export const expandBlocked = defineLowering({
  op: 'Expand',
  priority: 10,
  when(ctx) {
    const { x: [x], step, target } = ctx // prettier-ignore
    const to = step.outputs[0]!.shape
    const spread = x.shape[0] === to[0] && x.shape[1] === to[1] && x.shape[2] === 1 && x.shape[3] === 1
    return canBlock(ctx, x) && spread && to.length === 4 && to[1]! % target.block === 0 && to[2]! * to[3]! > 1
  },
  lower({ x: [x], step }) {
    const to = step.outputs[0]!.shape
    return [plain(x.emit('Upsample', [], { scales: [1, 1, to[2]!, to[3]!] }, nchwc), to[1]!)]
  },
})
