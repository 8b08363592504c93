import { Builder } from './builder.ts'
import { WORKING_OPSET } from './opset.ts'
import { RuleBook } from './rule.ts'
import { ops } from './list.gen.ts'

export * from './attrs.ts'
export * from './rule.ts'
export * from './builder.ts'
export * from './tensor.ts'
export * from './opset.ts'
export * from './inline.ts'
export { Optional, Sequence, type Value } from './inlineValues.ts'
export * from './replay.ts'
export { withFedDraws, type DrawKind, type FedDraw } from './support/draws.ts'
export { UNROLL_CEILING } from './support/unroll.ts'
export { batchNorm } from './rules/norm.ts'
export * from './rules/fakeQuantize.ts'
export { unroundedCodes, valuesOfCodes } from './rules/quantLinear.ts'

/** Every operator rule. */
export const ruleBook = new RuleBook(ops)

/** An empty graph to build in. */
export const newBuilder = (opset: number = WORKING_OPSET): Builder => new Builder(ruleBook, opset)
