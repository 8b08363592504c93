import { fork, type ForkOptions } from 'node:child_process'
import { StillroomError } from '../errors.ts'
import { fromWire, isCommandName, commands, parseInput } from './contract/index.ts'
import type { Transport } from './client.ts'
import type { Dispatcher } from './dispatch.ts'
import type { FromHost, ToHost } from './host.ts'

type Listener = (event: string, payload: unknown) => void

/** How long an idle host may take to leave, in milliseconds. */
const CLOSE_MS = 5000

/** Events by call: shared by the transports. */
function makeListeners() {
  const listeners = new Map<string, Listener>()
  return {
    deliver: (id: string, event: string, payload: unknown): void => listeners.get(id)?.(event, payload),
    subscribe(id: string, listener: Listener): () => void {
      listeners.set(id, listener)
      return () => void listeners.delete(id)
    },
  }
}

/** Commands executed in this process. */
export function inProcess(dispatcher: Dispatcher): Transport {
  const { deliver, subscribe } = makeListeners()
  const running = new Map<string, AbortController>()
  return {
    subscribe,
    cancel: (id) => running.get(id)?.abort(),
    async invoke(id, command, input) {
      const controller = new AbortController()
      running.set(id, controller)
      try {
        return await dispatcher.call(command, input, {
          emit: (event, payload) => deliver(id, event, payload),
          signal: controller.signal,
        })
      } finally {
        running.delete(id)
      }
    },
  }
}

export interface ChildTransport extends Transport {
  readonly pid: number | undefined
  /** End the host at once, as a crash would. */
  kill(): void
  /** Let the host go when it has nothing to do, and wait for it. */
  close(): Promise<void>
}

/** A host that ended while calls were waiting. `where` is the run it worked on, if one had started. */
export class EngineExitedError extends StillroomError {
  /** The signal that ended the host, or null when it exited by itself. */
  readonly signal: NodeJS.Signals | null

  constructor(message: string, signal: NodeJS.Signals | null, run: string | undefined) {
    const hint = `go on with: stillroom runs resume ${run}`
    super('engine-exited', message, run === undefined ? {} : { where: run, hint })
    this.signal = signal
  }
}

/** A process that runs a host, as its parent sees it. */
export interface HostProcess {
  readonly pid: number | undefined
  /** A process that dies meanwhile is reported by its end; a failed write is the same news. */
  send(message: ToHost): void
  /** An idle host must not keep its parent alive; a busy one must. */
  hold(busy: boolean): void
  /** End it at once. */
  kill(): void
  /** Ask it to go when it has nothing to do. */
  leave(): void
}

/** Starts a host; it tells its messages and, once, its end: what happened in words, and the signal if there was one. */
export type StartHost = (
  onMessage: (message: FromHost) => void,
  onEnd: (what: string, signal: NodeJS.Signals | null) => void,
) => HostProcess

/**
 * Commands executed in an engine host: a child process, since running a model blocks its thread and a native crash must not
 * take the caller along. The host is started by the first call. When it dies, every waiting call rejects with
 * `engine-exited`, and the next call starts a new one.
 * @param entry the host's module, one that calls `serveHost` on its own IPC channel
 */
export function childProcess(entry: string | URL, options: ForkOptions = {}): ChildTransport {
  return hostTransport((onMessage, onEnd) => {
    // The host's standard output goes to our standard error: ours carries one JSON document and nothing else.
    const child = fork(entry, [], { serialization: 'advanced', stdio: ['ignore', 2, 2, 'ipc'], ...options })
    child.on('message', (message) => onMessage(message as FromHost))
    child.on('exit', (code, signal) => onEnd(signal ?? `exit code ${code}`, signal))
    child.on('error', (error) => onEnd(error.message, null))
    return {
      pid: child.pid,
      send: (message) => void child.send(message, () => undefined),
      hold(busy) {
        child[busy ? 'ref' : 'unref']()
        child.channel?.[busy ? 'ref' : 'unref']()
      },
      kill: () => void child.kill('SIGKILL'),
      leave: () => void (child.connected && child.disconnect()),
    }
  })
}

interface Running {
  process: HostProcess
  ended: Promise<void>
}

/** Commands executed in a host that `start` makes: see `childProcess`. */
export function hostTransport(start: StartHost): ChildTransport {
  const { deliver, subscribe } = makeListeners()
  const waiting = new Map<
    string,
    { command: string; run?: string; resolve: (value: unknown) => void; reject: (error: Error) => void }
  >()
  let host: Running | undefined

  const receive = (message: FromHost): void => {
    const call = waiting.get(message.id)
    if (!call) return
    if ('event' in message) {
      const { run } = (message.payload ?? {}) as { run?: unknown }
      if (message.event === 'started' && typeof run === 'string') call.run = run
      deliver(message.id, message.event, message.payload)
      return
    }
    waiting.delete(message.id)
    if (waiting.size === 0) host?.process.hold(false)
    if ('error' in message) return call.reject(fromWire(message.error))
    // The answer came through a pipe from a process that runs native code: check it like any input.
    try {
      call.resolve(isCommandName(call.command) ? parseInput(commands[call.command].output, message.ok) : message.ok)
    } catch (error) {
      call.reject(error as Error)
    }
  }

  const begin = (): Running => {
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    const started = start(receive, (what, signal) => {
      if (host?.process === started) host = undefined
      resolve()
      const calls = [...waiting.values()]
      waiting.clear()
      for (const { command, run, reject } of calls)
        reject(new EngineExitedError(`the engine process ended during ${command} (${what})`, signal, run))
    })
    return { process: started, ended }
  }

  const send = (message: ToHost): void => {
    host ??= begin()
    host.process.hold(true)
    host.process.send(message)
  }

  return {
    get pid() {
      return host?.process.pid
    },
    subscribe,
    cancel: (id) => void (waiting.has(id) && host && send({ id, cancel: true })),
    invoke: (id, command, input) =>
      new Promise((resolve, reject) => {
        waiting.set(id, { command, resolve, reject })
        send({ id, command, input })
      }),
    kill: () => host?.process.kill(),
    async close() {
      const old = host
      if (!old) return
      old.process.hold(true)
      old.process.leave()
      // Native code may hang while it unloads; nothing is lost by ending it then.
      const timer = setTimeout(() => old.process.kill(), CLOSE_MS)
      await old.ended
      clearTimeout(timer)
    },
  }
}
