import { z } from 'zod'
import { OptionError } from '../../errors.ts'
import { didYouMean } from './nearest.ts'

type Issue = z.core.$ZodIssue
type Path = readonly PropertyKey[]
type Json = {
  type?: string
  enum?: unknown[]
  minimum?: number
  exclusiveMinimum?: number
  maximum?: number
  exclusiveMaximum?: number
  minLength?: number
  minItems?: number
}

/** `train.lr`, `methods[0].key`. */
export const fieldName = (path: Path): string =>
  path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text ? `${text}.${String(part)}` : String(part)),
    '',
  )

/** What was found, short enough for one line. */
function shown(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'string') return `'${value.length > 60 ? `${value.slice(0, 57)}…` : value}'`
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}

const valueAt = (root: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (value, part) => (typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[part] : undefined),
    root,
  )

type Wrapper = z.ZodOptional | z.ZodDefault | z.ZodPrefault | z.ZodNullable
const isWrapper = (schema: unknown): schema is Wrapper =>
  schema instanceof z.ZodOptional ||
  schema instanceof z.ZodDefault ||
  schema instanceof z.ZodPrefault ||
  schema instanceof z.ZodNullable

/** The schema of a field, or undefined where the path leaves what can be followed. Of a union, the first alternative that has the field. */
function schemaAt(schema: unknown, path: Path): z.ZodType | undefined {
  while (isWrapper(schema)) schema = schema.unwrap()
  const [part, ...rest] = path
  if (part === undefined) return schema as z.ZodType | undefined
  if (schema instanceof z.ZodObject) return schemaAt(schema.shape[String(part)], rest)
  if (schema instanceof z.ZodArray) return schemaAt(schema.element, rest)
  if (schema instanceof z.ZodRecord) return schemaAt(schema.valueType, rest)
  if (!(schema instanceof z.ZodUnion)) return undefined
  for (const option of schema.options) {
    const found = schemaAt(option, path)
    if (found) return found
  }
  return undefined
}

/** What a schema accepts, in words: `a positive number`, `one of sgd, adam`. */
function expectation(schema: z.ZodType): string | undefined {
  const json = z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' }) as Json
  if (json.enum) return `one of ${json.enum.join(', ')}`
  if (json.type === 'number' || json.type === 'integer') return numberInWords(json)
  if (json.type === 'string') return json.minLength ? 'a text that is not empty' : 'a text'
  if (json.type === 'boolean') return 'true or false'
  if (json.type === 'array') return json.minItems ? `a list of at least ${json.minItems}` : 'a list'
  return json.type === 'object' ? 'an object' : undefined
}

function numberInWords({ type, minimum, exclusiveMinimum, maximum, exclusiveMaximum }: Json): string {
  const noun = type === 'integer' ? 'whole number' : 'number'
  // Whole numbers carry the safe range as bounds, which tells nobody anything.
  const high =
    maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER
      ? `at most ${maximum}`
      : exclusiveMaximum !== undefined
        ? `below ${exclusiveMaximum}`
        : ''
  if (exclusiveMinimum === 0 && !high) return `a positive ${noun}`
  const low =
    exclusiveMinimum !== undefined
      ? `above ${exclusiveMinimum}`
      : minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER
        ? `of at least ${minimum}`
        : ''
  return [`a ${noun}`, low, low && high ? 'and' : '', high].filter(Boolean).join(' ')
}

interface Finding {
  path: Path
  text: string
  hint?: string | undefined
}

function findings(issue: Issue, schema: z.ZodType, input: unknown): Finding[] {
  const path = issue.path
  if (issue.code === 'unrecognized_keys') {
    const owner = schemaAt(schema, path)
    const known = owner instanceof z.ZodObject ? Object.keys(owner.shape) : []
    return issue.keys.map((key) => ({
      path: [...path, key],
      text: 'unknown key',
      hint: didYouMean(key, known) ?? knownKeys(known),
    }))
  }
  if (issue.code === 'invalid_union') {
    // The alternative that came furthest is the one that was meant: its own complaint says more than "no alternative fits".
    const deepest = issue.errors.flat().filter((inner) => inner.path.length > 0 || inner.code === 'unrecognized_keys')
    if (deepest.length > 0)
      return deepest.map((inner) => ({ ...describe({ ...inner, path: [...path, ...inner.path] }, schema, input) }))
  }
  return [describe(issue, schema, input)]
}

const knownKeys = (known: string[]): string | undefined => (known.length > 0 ? `known keys: ${known.join(', ')}` : undefined)

function describe(issue: Issue, schema: z.ZodType, input: unknown): Finding {
  const { path } = issue
  if (issue.code === 'custom') return { path, text: issue.message }
  if (issue.code === 'unrecognized_keys') return { path: [...path, issue.keys[0]!], text: 'unknown key' }
  const field = schemaAt(schema, path)
  const expected = (field && expectation(field)) ?? ('expected' in issue ? `a value of type ${issue.expected}` : issue.message)
  return { path, text: `expected ${expected}, found ${shown(valueAt(input, path))}` }
}

/**
 * Parse, or throw an `OptionError` that names each wrong field: `train.lr: expected a positive number, found 'abc'`.
 * @param name how a field is called in the message, e.g. `--lr` on the command line
 */
export function parseInput<S extends z.ZodType>(schema: S, input: unknown, name: (path: Path) => string = fieldName): z.output<S> {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  const all = parsed.error.issues.flatMap((issue) => findings(issue, schema, input))
  const message = all.map(({ path, text }) => (path.length > 0 ? `${name(path)}: ${text}` : text)).join('; ')
  const first = all[0]!
  const hint = all.find((finding) => finding.hint)?.hint
  throw new OptionError(message, { where: name(first.path), ...(hint === undefined ? {} : { hint }) })
}
