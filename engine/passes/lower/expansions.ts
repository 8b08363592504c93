import { defineLowering, type Lowering, type LoweringContext } from '../lowering.ts'

/** The rules' own expansions as a lowering of standard operators, where ONNX Runtime has no good kernel for the call. */
const expansion = (op: string | readonly string[], when: (ctx: LoweringContext) => boolean): Lowering =>
  defineLowering({ op, when, lower: (ctx) => ctx.step.rule!.expand!({ ...ctx }) })

const inDouble = ({ x }: LoweringContext): boolean => x[0].dtype === 'float64'

/** These have kernels in single precision only. */
export const spatialInDouble = expansion(
  [
    'AveragePool',
    'ConvTranspose',
    'GlobalMaxPool',
    'InstanceNormalization',
    'LpPool',
    'MaxUnpool',
    'MeanVarianceNormalization',
    'Resize',
  ],
  inDouble,
)
/** The gradient needs the sums over neighbours anyhow, and the product that makes them runs on all threads. */
export const lrnShared = expansion('LRN', (ctx) => inDouble(ctx) || ctx.differentiated)
/** Off images, the kernel was measured to leave strides and pads out. */
export const col2ImAnywhere = expansion('Col2Im', (ctx) => inDouble(ctx) || ctx.x[1].size !== 2)
/** Not a kernel but a function of many nodes; the expansion shares its statistics with the gradient. */
export const groupNormalizationAnywhere = expansion('GroupNormalization', () => true)
/** The kernel writes its statistics in single precision only. */
export const layerNormalizationInDouble = expansion('LayerNormalization', (ctx) => inDouble(ctx) && ctx.outputs > 1)
/** The kernel for training returns wrong values inside larger graphs (see `batchNormKernel`). */
export const batchNormalizationTraining = expansion('BatchNormalization', ({ a }) => a.training_mode === 1)
