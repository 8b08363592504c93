import { defaultStorePath } from '../../runs/index.ts'
import { probeDevices } from '../../session/index.ts'
import { handler } from './handler.ts'
import { measuredBeside } from './tuning.ts'

export default handler<'devices'>(async (input, { env }) => {
  const tuned = measuredBeside(input.store ?? defaultStorePath(env)).map(({ answers, ...machine }) => ({
    ...machine,
    forms: Object.entries(answers).map(([operator, { form, ms }]) => ({ operator, form, ms })),
  }))
  return { ...(await probeDevices()), tuned }
})
