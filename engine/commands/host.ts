import { type WireError, toWire } from './contract/index.ts'
import type { Dispatcher } from './dispatch.ts'

/** Caller to host. */
export type ToHost = { id: string; command: string; input: unknown } | { id: string; cancel: true }
/** Host to caller: any number of events, then one end. */
export type FromHost =
  { id: string; event: string; payload: unknown } | { id: string; ok: unknown } | { id: string; error: WireError }

/** A connection to the caller: the IPC channel of a child process, or a message port. */
export interface HostPort {
  send(message: FromHost): void
  onMessage(listener: (message: unknown) => void): void
  /** The caller is gone. */
  onClose(listener: () => void): void
}

/** Commands of a host that was left alone get this long to finish their step and write a checkpoint, in milliseconds. */
const GRACE_MS = 60_000

/**
 * The loop of an engine host: calls in, events and results out. When the caller disappears, running commands are told to
 * stop, and `exit` is called when they have, or after a minute.
 * @returns a function that tells running commands to stop, for the host's own termination signals
 */
export function serveHost(port: HostPort, dispatcher: Dispatcher, exit: () => void): () => void {
  const running = new Map<string, AbortController>()
  let alone = false
  const leave = (): void => {
    dispatcher.close()
    exit()
  }
  const send = (message: FromHost): void => {
    if (!alone) port.send(message)
  }

  const call = async (id: string, command: string, input: unknown): Promise<void> => {
    const controller = new AbortController()
    running.set(id, controller)
    try {
      const ok = await dispatcher.call(command, input, {
        emit: (event, payload) => send({ id, event, payload }),
        signal: controller.signal,
      })
      send({ id, ok })
    } catch (error) {
      if (process.env['STILLROOM_DEBUG']) process.stderr.write(`${(error as Error)?.stack ?? error}\n`)
      send({ id, error: toWire(error) })
    } finally {
      running.delete(id)
      if (alone && running.size === 0) leave()
    }
  }

  const stop = (): void => {
    for (const controller of running.values()) controller.abort()
  }
  port.onMessage((message) => {
    const { id, command, input, cancel } = (message ?? {}) as { id?: unknown; command?: unknown; input?: unknown; cancel?: unknown }
    if (typeof id !== 'string') return
    if (cancel === true) running.get(id)?.abort()
    else if (typeof command === 'string' && !running.has(id)) void call(id, command, input)
  })
  port.onClose(() => {
    alone = true
    if (running.size === 0) return leave()
    stop()
    setTimeout(leave, GRACE_MS).unref()
  })
  return stop
}
