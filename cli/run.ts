import { StillroomError } from '../engine/errors.ts'
import {
  childProcess,
  commands,
  type CommandName,
  EngineExitedError,
  handlers,
  inProcess,
  makeClient,
  makeDispatcher,
  settleDeadRuns,
  type ChildTransport,
} from '../engine/commands/index.ts'
import type { makeProgress } from './progress.ts'

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export interface RunOptions {
  /** Module of the engine host. */
  hostEntry: string | URL
  progress: ReturnType<typeof makeProgress>
}

type Call = (
  input: Record<string, unknown>,
  on: Record<string, (payload: unknown) => void>,
  options: { signal: AbortSignal },
) => Promise<unknown>

/** Execute one command where it belongs: here, or in an engine host that may be stopped and may crash. */
export async function runCommand(
  name: CommandName,
  input: Record<string, unknown>,
  { hostEntry, progress }: RunOptions,
): Promise<unknown> {
  const events = Object.keys(commands[name].events)
  const on = Object.fromEntries(events.map((event) => [event, (payload: unknown) => progress.event(event, payload)]))
  if (commands[name].runsIn === 'main') {
    const dispatcher = makeDispatcher(handlers)
    try {
      return await (makeClient([name], inProcess(dispatcher))[name] as Call)(input, on, { signal: new AbortController().signal })
    } finally {
      dispatcher.close()
    }
  }
  const host = childProcess(hostEntry)
  const stopping = stopOnSignals(host, events.includes('started'), progress.say)
  try {
    return await (makeClient([name], host)[name] as Call)(input, on, { signal: stopping.signal })
  } catch (error) {
    if (!(error instanceof EngineExitedError)) throw error
    settle(error, input['store'] as string | undefined)
    if (!stopping.signal.aborted || error.where !== undefined) throw error
    throw new StillroomError('interrupted', `${name.replace('.', ' ')} was stopped`)
  } finally {
    stopping.release()
    await host.close()
  }
}

/** The parent outlives the host, so it writes down what the host could not. */
function settle(error: EngineExitedError, store: string | undefined): void {
  if (error.where === undefined) return
  try {
    settleDeadRuns(store)
  } catch {
    // The store shows a dead host's run as interrupted anyway; the exit of the engine is the news to report.
  }
}

/**
 * The first signal asks a resumable command to stop after its step; the second ends the host. A command that leaves nothing
 * to resume is ended at once.
 */
function stopOnSignals(
  host: ChildTransport,
  resumable: boolean,
  say: (text: string) => void,
): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController()
  const stop = (): void => {
    if (controller.signal.aborted || !resumable) {
      controller.abort()
      return host.kill()
    }
    say('stopping after this step; the run can be resumed (once more: end at once)')
    controller.abort()
  }
  for (const signal of STOP_SIGNALS) process.on(signal, stop)
  return {
    signal: controller.signal,
    release() {
      for (const signal of STOP_SIGNALS) process.off(signal, stop)
    },
  }
}
