import { probeDevices } from '../../session/index.ts'
import { handler } from './handler.ts'

export default handler<'devices'>(async () => ({ ...(await probeDevices()) }))
