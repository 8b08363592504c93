import { OptionError, UnsupportedError } from '../engine/errors.ts'
import {
  commandNames,
  commands,
  didYouMean,
  type CommandName,
  type Field,
  fieldsOf,
  isCommandName,
  parseInput,
  namesFile,
  pathFrom,
} from '../engine/commands/index.ts'

/** What a command line asks for. */
export type Request =
  | { kind: 'version' }
  | { kind: 'help'; topic: string | undefined }
  | { kind: 'call'; name: CommandName; input: Record<string, unknown>; json: boolean; quiet: boolean }

/** Verbs of the contract that are still to come. */
const LATER: Record<string, string> = { prune: 'structured pruning' }

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
/** `--weight-decay`, or `MODEL` for what is given by position. */
export const flagOf = (name: string): string => `--${kebab(name)}`
export const verbOf = (name: CommandName): string => name.replace('.', ' ')

/** `stillroom evaluate MODEL --data DATA [options]` */
export function usageOf(name: CommandName): string {
  const { input, positional } = commands[name]
  const fields = fieldsOf(input)
  const places = positional.map((place) => placeholder(fields.find((field) => field.name === place)!))
  const required = fields.filter((field) => field.required && !positional.includes(field.name))
  return [
    'stillroom',
    verbOf(name),
    ...places,
    ...required.map((field) => `${flagOf(field.name)} ${placeholder(field)}`),
    '[options]',
  ].join(' ')
}

/** Stands for a field's value in help texts. */
export function placeholder(field: Field): string {
  if (field.values) return field.kind === 'list' ? `${field.values[0]},…` : field.values.join('|')
  if (field.kind === 'map') return 'NAME=VALUE'
  const word = kebab(field.name).toUpperCase().replaceAll('-', '_')
  if (field.kind === 'list') return field.name === 'ids' ? 'ID…' : `${word.replace(/S$/, '')},…`
  return field.kind === 'number' ? 'N' : word
}

/** The command that the first words name, and what follows them. */
function takeVerb(words: string[]): { name: CommandName; rest: string[] } | { topic: string | undefined } {
  const [verb, sub, ...more] = words
  if (verb === undefined) return { topic: undefined }
  if (verb === 'help')
    return {
      topic:
        words
          .slice(1)
          .filter((word) => !word.startsWith('-'))
          .join(' ') || undefined,
    }
  if (isCommandName(verb)) return { name: verb, rest: words.slice(1) }
  if (Object.hasOwn(LATER, verb)) {
    throw new UnsupportedError(`'${verb}' (${LATER[verb]}) is not there yet`, {
      where: verb,
      hint: `it belongs in engine/commands/contract/${verb}.ts`,
    })
  }
  const subs = commandNames.filter((name) => name.startsWith(`${verb}.`)).map((name) => name.slice(verb.length + 1))
  if (subs.length === 0) {
    const verbs = [...new Set(commandNames.map((name) => name.split('.')[0]!))]
    throw new OptionError(`there is no verb '${verb}'`, {
      where: verb,
      hint: didYouMean(verb, verbs) ?? '`stillroom --help` lists the verbs',
    })
  }
  if (sub === undefined) return { topic: verb }
  const name = `${verb}.${sub}`
  if (isCommandName(name)) return { name, rest: more }
  const hint = didYouMean(sub, subs) ?? `'${verb}' takes: ${subs.join(', ')}`
  throw new OptionError(`there is no '${verb} ${sub}'`, { where: `${verb} ${sub}`, hint })
}

/** Flags that belong to the command line itself, allowed anywhere before `--`. */
const OWN = ['--json', '--quiet', '--help', '-h', '--version']

/** Whether errors are to be printed as JSON; asked before anything else is known to be right. */
export const wantsJson = (argv: readonly string[]): boolean => argv.slice(0, ending(argv)).includes('--json')
const ending = (argv: readonly string[]): number => (argv.includes('--') ? argv.indexOf('--') : argv.length)

/**
 * Read a command line; the schemas of the contract say what it may hold.
 * @param cwd relative paths start here
 * @throws OptionError for wrong usage, UnsupportedError for a verb that is still to come
 */
export function parseCommandLine(argv: readonly string[], cwd: string): Request {
  const end = ending(argv)
  const own = new Set(argv.slice(0, end).filter((word) => OWN.includes(word)))
  const words = [...argv.slice(0, end).filter((word) => !OWN.includes(word)), ...argv.slice(end)]
  if (own.has('--version') && words.length === 0) return { kind: 'version' }
  const verb = takeVerb(words)
  if ('topic' in verb) {
    if (words.length > 0 && words[0] !== 'help' && !own.has('--help') && !own.has('-h')) {
      throw new OptionError(`'${verb.topic}' needs a word after it`, {
        where: verb.topic!,
        hint: `\`stillroom ${verb.topic} --help\``,
      })
    }
    return { kind: 'help', topic: verb.topic }
  }
  if (own.has('--help') || own.has('-h')) return { kind: 'help', topic: verbOf(verb.name) }
  const input = readOptions(verb.name, verb.rest)
  const fields = fieldsOf(commands[verb.name].input)
  for (const { name, path } of fields) {
    const value = input[name]
    if (typeof value === 'string' && namesFile(path, value)) input[name] = pathFrom(cwd, value)
  }
  const positional: readonly string[] = commands[verb.name].positional
  const shownName = ([head, ...rest]: readonly PropertyKey[]): string => {
    const field = fields.find(({ name }) => name === head)
    if (!field) return flagOf(String(head))
    return [positional.includes(field.name) ? placeholder(field) : flagOf(field.name), ...rest.map(String)].join(' ')
  }
  parseInput(commands[verb.name].input, input, shownName)
  return { kind: 'call', name: verb.name, input, json: own.has('--json'), quiet: own.has('--quiet') }
}

function readOptions(name: CommandName, words: readonly string[]): Record<string, unknown> {
  const fields = fieldsOf(commands[name].input)
  const input: Record<string, unknown> = {}
  const places: string[] = []
  const fail = (message: string, where: string, hint?: string): never => {
    throw new OptionError(message, { where, hint: hint ?? `usage: ${usageOf(name)}` })
  }
  const set = (field: Field, text: string, shown: string): void => {
    const repeatable = field.kind === 'list' || field.kind === 'map'
    if (field.name in input && !repeatable) fail(`${shown} is given twice`, shown)
    input[field.name] = valueOf(field, text, input[field.name], (message) => fail(message, shown))
  }
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    if (word === '--') {
      places.push(...words.slice(i + 1))
      break
    }
    if (!word.startsWith('-') || word === '-' || /^-[.\d]/.test(word)) {
      places.push(word)
      continue
    }
    const equals = word.indexOf('=')
    const flag = equals < 0 ? word : word.slice(0, equals)
    const field = fields.find((one) => flagOf(one.name) === flag)
    const negated = fields.find((one) => one.kind === 'boolean' && `--no-${kebab(one.name)}` === flag)
    if (negated && equals < 0) set(negated, 'false', flag)
    else if (!field) {
      const known = [...fields.map((one) => flagOf(one.name)), ...OWN.filter((own) => own !== '-h')]
      fail(`'${verbOf(name)}' has no option ${flag}`, flag, didYouMean(flag, known))
    } else if (equals >= 0) set(field, word.slice(equals + 1), flag)
    else if (field.kind === 'boolean') set(field, 'true', flag)
    else {
      const next = words[++i]
      // A minus before a digit is a number; two dashes are the next option. A value that begins so is written with `=`.
      if (next === undefined || next.startsWith('--')) fail(`${flag} needs a value (${placeholder(field)})`, flag, field.help)
      else set(field, next, flag)
    }
  }
  placeAll(name, fields, places, input, set, fail)
  const missing = fields.filter((field) => field.required && !(field.name in input))
  if (missing.length > 0) {
    const positional: readonly string[] = commands[name].positional
    const names = missing.map((field) => (positional.includes(field.name) ? placeholder(field) : flagOf(field.name)))
    fail(`missing ${names.join(', ')}`, names[0]!)
  }
  return input
}

function placeAll(
  name: CommandName,
  fields: readonly Field[],
  places: readonly string[],
  input: Record<string, unknown>,
  set: (field: Field, text: string, shown: string) => void,
  fail: (message: string, where: string) => never,
): void {
  const open = commands[name].positional.map((place) => fields.find((field) => field.name === place)!)
  let at = 0
  for (const place of places) {
    const field = open[Math.min(at, open.length - 1)]
    if (!field || (at >= open.length && field.kind !== 'list')) return fail(`'${place}' is one word too many`, place)
    if (field.kind === 'list')
      input[field.name] = [...((input[field.name] as unknown[]) ?? []), ...place.split(',').filter(Boolean)]
    else set(field, place, placeholder(field))
    at++
  }
}

/** A word as the field wants it. What cannot be read so stays text, and the schema says what it expected. */
function valueOf(field: Field, text: string, before: unknown, fail: (message: string) => never): unknown {
  if (field.kind === 'number') return numberOf(text)
  if (field.kind === 'boolean') return text === 'true' ? true : text === 'false' ? false : text
  if (field.kind === 'list') {
    const items = text
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean)
    return [...((before as unknown[]) ?? []), ...(field.item === 'number' ? items.map(numberOf) : items)]
  }
  if (field.kind === 'map') {
    const equals = text.indexOf('=')
    if (equals < 1) return fail(`expected NAME=VALUE, found '${text}'`)
    const key = text.slice(0, equals)
    const map = new Map(Object.entries((before as object | undefined) ?? {}))
    if (map.has(key)) return fail(`'${key}' is given twice`)
    return Object.fromEntries(map.set(key, scalarOf(text.slice(equals + 1))))
  }
  return text
}

const numberOf = (text: string): number | string =>
  /^[+-]?(\d|\.\d)/.test(text) && Number.isFinite(Number(text)) ? Number(text) : text

/** A method option's value: JSON where it is JSON (3, true, [1,2]), else text. The method's own schema checks it. */
function scalarOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return numberOf(text)
  }
}
