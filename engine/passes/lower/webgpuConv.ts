import { PRIVATE } from '../../ops/index.ts'
import { defineLowering } from '../lowering.ts'
import { brokenTransposedConv, onWebGpu } from '../support/webgpu.ts'
import { convGradInputByTaps } from './conv.ts'

/** Where the kernel that would compute an input gradient is wrong or missing. */
export const convGradInputOnWebGpu = defineLowering({
  op: 'ConvGradInput',
  domain: PRIVATE,
  priority: 2,
  when: (ctx) => onWebGpu(ctx) && brokenTransposedConv(ctx),
  lower: (ctx) => convGradInputByTaps.lower(ctx),
})
