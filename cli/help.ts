import { OptionError } from '../engine/errors.ts'
import {
  commandNames,
  commands,
  type CommandName,
  didYouMean,
  type Field,
  fieldsOf,
  isCommandName,
} from '../engine/commands/index.ts'
import { flagOf, placeholder, usageOf, verbOf } from './args.ts'
import { columns } from './table.ts'

const COMMON: [string, string][] = [
  ['--json', 'One JSON document on standard output, nothing else there'],
  ['--quiet', 'No progress'],
  ['--help', 'This text'],
]

/** The overview, or the help of one verb or group (`runs`, `runs list`). */
export function helpText(topic: string | undefined): string {
  if (topic === undefined) return overview(commandNames)
  const name = topic.replace(' ', '.')
  if (isCommandName(name)) return verbHelp(name)
  const group = commandNames.filter((one) => one.startsWith(`${name}.`))
  if (group.length > 0) return overview(group)
  throw new OptionError(`there is no verb '${topic}'`, {
    where: topic,
    hint: didYouMean(name, commandNames) ?? '`stillroom --help` lists the verbs',
  })
}

const overview = (names: readonly CommandName[]): string =>
  [
    'Compress a private ONNX model on this machine.',
    '',
    'usage: stillroom VERB [options]',
    '',
    columns(names.map((name) => [`  ${verbOf(name)}`, commands[name].help])),
    '',
    '`stillroom VERB --help` lists the options of a verb.',
    'Exit codes: 0 done, 2 wrong usage, 3 bad model or data, 4 unsupported, 5 a goal was missed, 130 interrupted.',
  ].join('\n')

function verbHelp(name: CommandName): string {
  const { help, input, positional } = commands[name]
  const fields = fieldsOf(input)
  const places = fields.filter((field) => positional.includes(field.name))
  const options = fields.filter((field) => !places.includes(field))
  return [
    help + '.',
    '',
    `usage: ${usageOf(name)}`,
    '',
    columns([
      ...places.map((field): [string, string] => [`  ${placeholder(field)}`, describe(field)]),
      ...options.map((field): [string, string] => [
        `  ${flagOf(field.name)}${field.kind === 'boolean' ? '' : ` ${placeholder(field)}`}`,
        describe(field),
      ]),
      ...COMMON.map(([flag, text]): [string, string] => [`  ${flag}`, text]),
    ]),
  ].join('\n')
}

function describe({ help, required, default: value, kind }: Field): string {
  if (required) return `${help} (required)`
  const empty = value === undefined || kind === 'boolean' || kind === 'map' || (Array.isArray(value) && value.length === 0)
  return empty ? help : `${help} (default ${String(value)})`
}
