import { existsSync, statSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { type CommandName, commands, fieldName, namesFile, pathFields } from '../contract/index.ts'
import { hasScheme, readRecipe } from '../handlers/recipeFile.ts'
import type { Grants } from './grants.ts'

/** A text of an input that names, or may name, something on the disk. */
interface PathUse {
  field: string
  value: string
  mode: 'read' | 'write'
  /** The schema says that it is a path; otherwise it only may be one. */
  declared: boolean
}

/** The fields that receive files. */
const WRITTEN = new Set(['out'])

/** The largest text that can be a path. */
const LONGEST = 4096

/** Every text of a value, with what the schema says of it; values that the schema leaves open are walked as well. */
function* textsOf(schema: z.ZodType | undefined, value: unknown, path: readonly (string | number)[]): Generator<PathUse> {
  let inner = schema
  while (
    inner instanceof z.ZodOptional ||
    inner instanceof z.ZodDefault ||
    inner instanceof z.ZodPrefault ||
    inner instanceof z.ZodNullable
  )
    inner = inner.unwrap() as z.ZodType
  if (inner instanceof z.ZodUnion) {
    // Whichever alternative it was: a path in any of them is one.
    for (const option of inner.options) yield* textsOf(option as z.ZodType, value, path)
    return
  }
  if (typeof value === 'string') {
    const kind = inner && pathFields.get(inner)?.kind
    const mode = WRITTEN.has(String(path.at(-1))) ? 'write' : 'read'
    yield { field: fieldName(path), value, mode, declared: kind !== undefined && namesFile(kind, value) }
  } else if (Array.isArray(value)) {
    const element = inner instanceof z.ZodArray ? (inner.element as z.ZodType) : undefined
    for (const [i, item] of value.entries()) yield* textsOf(element, item, [...path, i])
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      const field = inner instanceof z.ZodObject ? inner.shape[key] : inner instanceof z.ZodRecord ? inner.valueType : undefined
      yield* textsOf(field as z.ZodType | undefined, item, [...path, key])
    }
  }
}

/** `template:mlp`, `builtin:glyphs?size=16`: a name of ours, not a file. One with a separator could be both, and is checked as a file. */
const isName = (value: string): boolean => hasScheme(value) && !/[/\\]|^file:/i.test(value)

/** A path with options behind it (`digits/?labels=x.npy`) names the part before them, unless a file has the whole name. */
const withoutQuery = (value: string): string => (existsSync(value) ? value : value.replace(/\?[^/\\]*$/, ''))

/** Whether a text that no schema calls a path names something on this disk: a node called `/conv1/Conv` does not. */
function namesSomething(value: string): boolean {
  if (value.length > LONGEST || value.includes('\0')) return false
  const climbs = /(^|[/\\])\.\.([/\\]|$)/.test(value)
  return (isAbsolute(value) || climbs || /^file:/i.test(value)) && existsSync(value.replace(/^file:(\/\/)?/i, ''))
}

/**
 * Refuse an input that would reach outside of what was chosen. A recipe file is opened, since what it names is used as well.
 * @throws OptionError naming the field
 */
export function checkPaths(name: CommandName, input: Readonly<Record<string, unknown>>, grants: Grants): void {
  for (const { field, value, mode, declared } of textsOf(commands[name].input, input, [])) {
    if (declared ? !isName(value) : namesSomething(value)) grants.check(declared ? withoutQuery(value) : value, mode, field)
  }
  const recipe = input['recipe']
  if (typeof recipe !== 'string') return
  const { teacher, data, student } = readRecipe(recipe)
  const named = { teacher, 'data.path': data.path, 'student.from': student.from, 'data.preprocess': data.preprocess }
  for (const [field, value] of Object.entries(named)) {
    if (value === undefined || isName(value) || !isAbsolute(value)) continue
    grants.check(withoutQuery(value), 'read', `${field} of the recipe`)
  }
}

/** Where answers of the store name files that are the store's own or were chosen when the run began; `*` is any key. */
const STORE_PATHS: { readonly [K in CommandName]?: readonly string[] } = {
  'runs.list': ['runs.*.out'],
  'runs.show': ['out', 'folder', 'checkpoints.*.path', 'artifacts.*.path', 'result.model', 'result.report'],
  'library.list': ['entries.*.path'],
}

function* at(value: unknown, [key, ...rest]: readonly string[]): Generator<string> {
  if (key === undefined) {
    if (typeof value === 'string' && isAbsolute(value)) yield value
  } else if (typeof value === 'object' && value !== null) {
    const owner = value as Record<string, unknown>
    for (const name of key === '*' ? Object.keys(owner) : [key]) if (Object.hasOwn(owner, name)) yield* at(owner[name], rest)
  }
}

/** Let a page use what the store just named: a run's model can be evaluated, though the run was started from the command line. */
export function allowStorePaths(name: CommandName, output: unknown, grants: Grants): void {
  for (const selector of STORE_PATHS[name] ?? []) {
    for (const path of at(output, selector.split('.'))) grants.allow(path, 'read', 'store')
  }
}

/** Whether a path is a folder; false when nothing is there. */
export const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
