import { OptionError } from '../errors.ts'
import { methods } from './list.gen.ts'
import type { Method } from './method.ts'

export type * from './method.ts'
export type * from './lab.ts'
export { FORMULA_DIGITS } from './method.ts'
export { methods }

/** A method of the catalogue by its key. Errors: OptionError naming the keys there are. */
export function findMethod(key: string): Method {
  const found = methods.find((m) => m.key === key)
  if (!found)
    throw new OptionError(`there is no method '${key}'`, {
      where: 'method',
      hint: `known: ${methods.map((m) => m.key).join(', ')}`,
    })
  return found
}
