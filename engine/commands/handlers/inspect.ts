import { inspectModel } from '../../inspect/index.ts'
import { handler } from './handler.ts'

export default handler<'inspect'>(async ({ model }) => {
  const { inputs, outputs, ...rest } = await inspectModel(model)
  return {
    ...rest,
    inputs: inputs.map((v) => ({ ...v, shape: [...v.shape] })),
    outputs: outputs.map((v) => ({ ...v, shape: [...v.shape] })),
  }
})
