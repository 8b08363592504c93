import { ruleBook } from '../../ops/index.ts'
import { defineLowering, type LoweringContext } from '../lowering.ts'
import { brokenTransposedConv, onWebGpu } from '../support/webgpu.ts'

/** Operators whose rule can write them in simpler ones, and whose kernel this provider lacks. */
const MISSING = [
  'AffineGrid', 'Attention', 'CenterCropPad', 'Col2Im', 'DeformConv', 'GridSample', 'LRN', 'LpPool', 'MaxUnpool', 'MeanVarianceNormalization',
  'NegativeLogLikelihoodLoss', 'RMSNormalization', 'RNN', 'RoiAlign', 'RotaryEmbedding', 'SoftmaxCrossEntropyLoss', 'STFT',
] // prettier-ignore

/** Operators of ONNX Runtime's own domain: no kernel, or one that was measured to be wrong for some attributes. */
const CONTRIB = [
  'Attention', 'CDist', 'EmbedLayerNormalization', 'FusedConv', 'FusedGemm', 'FusedMatMul', 'GroupQueryAttention', 'MultiHeadAttention',
  'TransposeMatMul',
] // prettier-ignore

/** Calls that the kernel refuses when they run, or answers wrongly, although it takes the operator. */
const PARTLY: Readonly<Record<string, (ctx: LoweringContext) => boolean>> = {
  ConvTranspose: brokenTransposedConv,
  GRU: ({ a }) => ((a.activations as readonly string[] | undefined)?.length ?? 0) > 0,
  LSTM: ({ a }) => ((a.activations as readonly string[] | undefined)?.length ?? 0) > 0,
  Resize: ({ a }) => a.antialias === 1,
}

const expandable = (domain: string, op: string): boolean =>
  ruleBook.rules.some((rule) => rule.type === op && (rule.domain ?? '') === domain && rule.expand !== undefined)

const lower = (ctx: LoweringContext) => ctx.step.rule?.expand?.({ ...ctx })

export const missingOnWebGpu = defineLowering({ op: MISSING, priority: 1, when: onWebGpu, lower })
export const contribMissingOnWebGpu = defineLowering({
  op: CONTRIB.filter((op) => expandable('com.microsoft', op)),
  domain: 'com.microsoft',
  priority: 1,
  when: onWebGpu,
  lower,
})
export const partlyOnWebGpu = defineLowering({
  op: Object.keys(PARTLY),
  priority: 1,
  when: (ctx) => onWebGpu(ctx) && PARTLY[ctx.step.node.op]!(ctx),
  lower,
})
