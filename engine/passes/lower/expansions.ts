import { ruleBook, WORKING_OPSET } from '../../ops/index.ts'
import { defineLowering, type Lowering, type LoweringContext } from '../lowering.ts'

/** The rule's own expansion as a lowering of a standard operator, where ONNX Runtime has no kernel for the call. */
const expansion = (op: string, when: (ctx: LoweringContext) => boolean): Lowering =>
  defineLowering({
    op,
    when,
    lower: (ctx) => ruleBook.find(op, '', WORKING_OPSET)!.expand!({ ...ctx, a: ctx.a }),
  })

const inDouble = ({ x }: LoweringContext): boolean => x[0].dtype === 'float64'

export const instanceNormalizationInDouble = expansion('InstanceNormalization', inDouble)
export const meanVarianceNormalizationInDouble = expansion('MeanVarianceNormalization', inDouble)
export const lrnInDouble = expansion('LRN', inDouble)
export const averagePoolInDouble = expansion('AveragePool', inDouble)
export const lpPoolInDouble = expansion('LpPool', inDouble)
export const maxUnpoolInDouble = expansion('MaxUnpool', inDouble)
export const resizeInDouble = expansion('Resize', inDouble)
/** Off images, the kernel was measured to leave strides and pads out. */
export const col2ImAnywhere = expansion('Col2Im', (ctx) => inDouble(ctx) || ctx.x[1].size !== 2)
export const convTransposeInDouble = expansion('ConvTranspose', inDouble)
export const globalMaxPoolInDouble = expansion('GlobalMaxPool', inDouble)
/** Not a kernel but a function of many nodes; the expansion shares its statistics with the gradient. */
export const groupNormalizationAnywhere = expansion('GroupNormalization', () => true)
/** The kernel writes its statistics in single precision only. */
export const layerNormalizationInDouble = expansion('LayerNormalization', (ctx) => inDouble(ctx) && ctx.outputs > 1)
/** The kernel for training returns wrong values inside larger graphs (see `batchNormKernel`). */
export const batchNormalizationTraining = expansion('BatchNormalization', ({ a }) => a.training_mode === 1)
