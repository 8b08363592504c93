import { EXIT_CODES } from '../engine/errors.ts'
import { EngineExitedError, toWire } from '../engine/commands/index.ts'

/** Signals with which native code ends when it fails, unlike those that somebody sends. */
const CRASHES = new Set<string>(['SIGSEGV', 'SIGBUS', 'SIGABRT', 'SIGFPE', 'SIGILL', 'SIGTRAP', 'SIGSYS'])

/** Exit code of an error. Where there is no run to resume, a crash in native code says that the model is bad. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof EngineExitedError && error.where === undefined) {
    if (error.signal === null) return EXIT_CODES.bug
    if (CRASHES.has(error.signal)) return EXIT_CODES.model
  }
  return EXIT_CODES[toWire(error).code] ?? 1
}

/** Exit code of a result: 5 when a check failed or a goal was missed; the result itself is printed all the same. */
export function exitCodeOfResult(result: unknown): number {
  const { passed, missedGoals } = (result ?? {}) as { passed?: unknown; missedGoals?: unknown }
  return passed === false || (Array.isArray(missedGoals) && missedGoals.length > 0) ? EXIT_CODES['goal-missed'] : 0
}
