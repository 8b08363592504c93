import { StillroomError } from '../../errors.ts'
import { commands, isCommandName } from '../contract/index.ts'
import { type ChildTransport, EngineExitedError } from '../transports.ts'

/** Engine hosts for short calls at a time; further ones wait. */
const HOSTS = 2
/** An idle host is let go after this long, in milliseconds. */
const IDLE_MS = 120_000

/** Whether a command makes a run, which can be stopped with a checkpoint and resumed. */
export const isResumable = (command: string): boolean =>
  isCommandName(command) && Object.hasOwn(commands[command].events, 'started')

/** Executes the short commands of pages. */
export interface Calls {
  invoke(id: string, command: string, input: unknown, onEvent: (event: string, payload: unknown) => void): Promise<unknown>
  cancel(id: string): void
  close(): Promise<void>
}

/**
 * Commands that only read the store share one host. One that computes gets a host to itself, since it blocks it: then it can be cancelled by
 * ending the host, and a crash takes no other call along.
 */
export function makeCalls(start: () => ChildTransport): Calls {
  let desk: ChildTransport | undefined
  const idle: { host: ChildTransport; timer: NodeJS.Timeout }[] = []
  const hosts = new Set<ChildTransport>()
  const queue: (() => void)[] = []
  const stops = new Map<string, () => void>()
  let busy = 0

  const release = (host: ChildTransport): void => {
    busy--
    const timer = setTimeout(() => {
      idle.splice(
        idle.findIndex((one) => one.host === host),
        1,
      )
      hosts.delete(host)
      void host.close()
    }, IDLE_MS)
    timer.unref()
    idle.push({ host, timer })
    queue.shift()?.()
  }
  const acquire = async (): Promise<ChildTransport> => {
    if (busy >= HOSTS) await new Promise<void>((resolve) => queue.push(resolve))
    busy++
    const free = idle.pop()
    clearTimeout(free?.timer)
    if (free) return free.host
    const host = start()
    hosts.add(host)
    return host
  }
  const through = async (host: ChildTransport, ...[id, command, input, onEvent]: Parameters<Calls['invoke']>): Promise<unknown> => {
    const unsubscribe = host.subscribe(id, onEvent)
    try {
      return await host.invoke(id, command, input)
    } finally {
      unsubscribe()
    }
  }

  return {
    async invoke(id, command, input, onEvent) {
      if (isCommandName(command) && commands[command].runsIn === 'main') {
        desk ??= start()
        return through(desk, id, command, input, onEvent)
      }
      const state = { stopped: false, host: undefined as ChildTransport | undefined }
      const interrupted = (): StillroomError => new StillroomError('interrupted', `${command} was stopped`)
      stops.set(id, () => {
        state.stopped = true
        if (isResumable(command)) state.host?.cancel(id)
        else state.host?.kill()
      })
      try {
        state.host = await acquire()
        try {
          if (state.stopped) throw interrupted()
          return await through(state.host, id, command, input, onEvent)
        } catch (error) {
          throw state.stopped && error instanceof EngineExitedError ? interrupted() : error
        } finally {
          release(state.host)
        }
      } finally {
        stops.delete(id)
      }
    },
    cancel: (id) => stops.get(id)?.(),
    async close() {
      for (const { timer } of idle) clearTimeout(timer)
      for (const stop of stops.values()) stop()
      await Promise.all([...(desk ? [desk] : []), ...hosts].map((host) => host.close()))
    },
  }
}
