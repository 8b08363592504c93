import { RuntimeError } from '../errors.ts'

/**
 * Sessions that may be alive at one time. Each has threads and an arena of memory of its own, so a loop that forgets to release would take a
 * machine down slowly; here it ends with names. The trainer needs about five at once.
 */
export const LIVE_SESSIONS = 128

interface Token {
  name: string
}

const live = new Set<Token>()
/** A session that was dropped without a release is freed with its object. */
const dropped = new FinalizationRegistry<Token>((token) => live.delete(token))

/** How many sessions are alive. */
export const liveSessions = (): number => live.size

/** Takes a place. Errors: RuntimeError where none is left, with the names that hold most. */
export function takePlace(name: string): Token {
  if (live.size >= LIVE_SESSIONS) {
    const count = new Map<string, number>()
    for (const token of live) count.set(token.name, (count.get(token.name) ?? 0) + 1)
    const most = [...count].sort((a, b) => b[1] - a[1]).slice(0, 3)
    throw new RuntimeError(
      `${live.size} sessions are alive, the most that may be: ${most.map(([n, k]) => `${k} x ${n}`).join(', ')}`,
      {
        where: name,
        hint: 'release sessions that are no longer needed',
      },
    )
  }
  const token = { name }
  live.add(token)
  return token
}

/** Gives the place back when the owner is collected, if it was not given back before. */
export const holdPlace = (owner: object, token: Token): void => dropped.register(owner, token)

export const leavePlace = (token: Token): void => void live.delete(token)
