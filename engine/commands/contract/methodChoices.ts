import { OptionError } from '../../errors.ts'

export interface MethodChoice {
  key: string
  options: Record<string, unknown>
}

/**
 * Methods and flat options, as the command line gives them, in the recipe's form. `KEY.NAME` goes to that method; a name
 * alone goes to the only method. A dot further on goes into nested options: `fitnets.regressor.kernel=3`.
 * @throws OptionError when an option's method is not clear
 */
export function methodChoices(keys: readonly string[], options: Readonly<Record<string, unknown>>): MethodChoice[] {
  const choices = new Map(keys.map((key) => [key, { key, options: {} }]))
  for (const [name, value] of Object.entries(options)) {
    const parts = name.split('.')
    const own = choices.get(parts[0]!)
    if (own && parts.length > 1) parts.shift()
    const target = own && name.includes('.') ? own : keys.length === 1 ? choices.get(keys[0]!)! : undefined
    if (!target) {
      throw new OptionError(`option '${name}': which of the methods ${keys.join(', ')} is meant?`, {
        where: 'option',
        hint: `write --option ${keys[0]}.${name}=VALUE`,
      })
    }
    put(target.options, parts, value)
  }
  return [...choices.values()]
}

/** Names come from outside, so objects are made without a prototype to reach. */
function put(into: Record<string, unknown>, parts: readonly string[], value: unknown): void {
  const [head, ...rest] = parts as [string, ...string[]]
  if (head === '__proto__' || head === '')
    throw new OptionError(`'${parts.join('.')}' is not the name of an option`, { where: 'option' })
  if (rest.length === 0) into[head] = value
  else {
    if (!Object.hasOwn(into, head) || typeof into[head] !== 'object' || into[head] === null) into[head] = {}
    put(into[head] as Record<string, unknown>, rest, value)
  }
}
