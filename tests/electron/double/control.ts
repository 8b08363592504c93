import * as electron from './electron.ts'
import { state } from './state.ts'

/** The control channel of tests: they run functions in this process, as Playwright does in a real Electron. */
process.on('message', (message: { kind?: string; id: number; code: string; arg: unknown }) => {
  if (message.kind !== 'evaluate') return
  const run = async (): Promise<object> => {
    try {
      // A function of the test's own, sent by the process that started this one.
      const call = (0, eval)(`(${message.code})`) as (modules: object, arg: unknown) => unknown
      return { ok: await call({ ...electron, state }, message.arg) }
    } catch (error) {
      return { error: String((error as Error)?.stack ?? error) }
    }
  }
  void run().then((answer) => process.send?.({ kind: 'evaluated', id: message.id, ...answer }))
})
