import { randomInt } from 'node:crypto'
import { OptionError } from '../errors.ts'

// Crockford's base 32: no i, l, o, u, so an id can be read aloud, and is a harmless file name on every system.
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz'
const TIME_DIGITS = 9
const RANDOM_DIGITS = 5
const PATTERN = new RegExp(`^[${DIGITS}]{${TIME_DIGITS + RANDOM_DIGITS}}$`)

let lastTime = 0
let lastRandom = 0

function digits(value: number, count: number): string {
  let text = ''
  for (let i = 0; i < count; i++) {
    text = DIGITS[value % 32] + text
    value = Math.floor(value / 32)
  }
  return text
}

/**
 * A new id: 14 characters that sort by time of creation (milliseconds, then a random part that only grows within one
 * process). Two processes collide with a chance of one in 33 million per shared millisecond; the primary key then says so.
 */
export function newId(now = Date.now()): string {
  // A clock set back must not break the order within one process.
  if (now > lastTime) {
    lastTime = now
    lastRandom = randomInt(0, 32 ** RANDOM_DIGITS - 2 ** 16)
  } else lastRandom++
  return digits(lastTime, TIME_DIGITS) + digits(lastRandom, RANDOM_DIGITS)
}

export const isId = (text: string): boolean => PATTERN.test(text)

/** The id itself, or an `OptionError`: nothing else ever becomes part of a path. */
export function checkedId(text: string): string {
  if (typeof text === 'string' && isId(text)) return text
  throw new OptionError(
    `'${String(text).slice(0, 60)}' is not a run id (${TIME_DIGITS + RANDOM_DIGITS} characters such as ${'01h9x8c2k4m7pq'})`,
    {
      where: 'id',
      hint: '`stillroom runs list` shows the ids',
    },
  )
}
