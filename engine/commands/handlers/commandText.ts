import { commands, fieldsOf, type CommandName } from '../contract/index.ts'

const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

/** A word that a shell takes as it is, or in quotes. */
const quoted = (word: string) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

/** A command as one line for a terminal; what is left at its default is left out. */
export function commandText(name: CommandName, input: Readonly<Record<string, unknown>>): string {
  const { positional, input: schema } = commands[name]
  const fields = fieldsOf(schema)
  const places = positional.flatMap((place) => (input[place] === undefined ? [] : [quoted(String(input[place]))]))
  const flags = fields.flatMap(({ name: field, kind, default: fallback }) => {
    const value = input[field]
    if (value === undefined || positional.includes(field)) return []
    if (JSON.stringify(value) === JSON.stringify(fallback)) return []
    if (kind === 'boolean') return [`--${value ? '' : 'no-'}${kebab(field)}`]
    return [`--${kebab(field)}`, quoted(Array.isArray(value) ? value.join(',') : String(value))]
  })
  return ['stillroom', ...name.split('.'), ...places, ...flags].join(' ')
}
