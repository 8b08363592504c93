import { axisOf } from '../../ir/index.ts'
import { nchwcDomain } from '../../ops/rules/nchwc.ts'
import type { Tensor } from '../../ops/index.ts'
import { defineLowering, type LoweringContext } from '../lowering.ts'
import { blocked, canBlock, plain, source } from '../support/nchwc.ts'

const wholeBlocks = (ctx: LoweringContext, t: Tensor): boolean => canBlock(ctx, t) && t.shape[1]! % ctx.target.block === 0
const alongChannels = ({ a, x }: LoweringContext): boolean => axisOf(a.axis as number, x[0].rank) === 1

/** Channels side by side, as for the shortcuts of a U-Net: whole blocks lie one after the other in both layouts. */
export const concatBlocked = defineLowering({
  op: 'Concat',
  priority: 10,
  when(ctx) {
    const list = ctx.x as readonly Tensor[]
    return list.some((t) => source(t)) && list.every((t) => wholeBlocks(ctx, t)) && alongChannels(ctx)
  },
  lower({ b, x, a, step, target }) {
    const joined = b.emit('Concat', (x as readonly Tensor[]).map((t) => blocked(t, target.block)), a) // prettier-ignore
    return [plain(joined[0]!, step.outputs[0]!.shape[1]!)]
  },
})

export const splitBlocked = defineLowering({
  op: 'Split',
  priority: 10,
  when: (ctx) =>
    source(ctx.x[0]) !== undefined &&
    wholeBlocks(ctx, ctx.x[0]) &&
    alongChannels(ctx) &&
    ctx.step.outputs.every((t) => t.shape[1]! % ctx.target.block === 0),
  lower: ({ b, x, a, outputs, opt }) =>
    b.emit('Split', [source(x[0])!, opt(1)], a, { outputs }).map((part) => plain(part, part.shape[1]!)),
})

/** What an earlier round reordered may be blocked by now. */
export const reorderedTwice = defineLowering({
  op: 'ReorderInput',
  domain: nchwcDomain,
  when: ({ x: [x], step }) => source(x)?.shape[1] === step.outputs[0]!.shape[1],
  lower: ({ x: [x] }) => [source(x)!],
})
