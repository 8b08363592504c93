import { download, fallbacksIn, keepsState, showFallbacks, type Download, type Provider, type Session } from '../session/index.ts'
import type { Program } from './program.ts'

/** What a training does with a provider's device: which outputs stay there, how state comes back, what could not run there. */
export interface Device extends Download {
  /** Session options of a step: its state stays on the device, and the first run is looked at. */
  settings(program: Program): { onDevice?: readonly string[]; profile?: boolean }
  /** Call after the first run of a session made with `settings`: tells of the operators that ran on the CPU instead. */
  tell(session: Session, say: ((level: 'warning', text: string) => void) | undefined): void
}

export function deviceOf(provider: Provider): Device {
  const told = new WeakSet<Session>()
  return {
    ...download(provider),
    settings: (program) =>
      provider === 'cpu'
        ? {}
        : { profile: true, ...(keepsState(provider) ? { onDevice: program.changes.map((name) => `next/${name}`) } : {}) },
    tell(session, say) {
      if (provider === 'cpu' || told.has(session)) return
      told.add(session)
      const list = fallbacksIn(session.profile(), provider)
      if (!list.length) return
      const count = list.length === 1 ? '1 operator of the step runs' : `${list.length} operators of the step run`
      say?.('warning', `${count} on the CPU, as '${provider}' has no kernel for that: ${showFallbacks(list)}`)
    },
  }
}
