import { z } from 'zod'
import { pathFields } from './options.ts'

/** What a form, a flag or a help text needs to know about one field of an input. */
export interface Field {
  name: string
  kind: 'text' | 'number' | 'boolean' | 'list' | 'map'
  /** Kind of a list's items. */
  item: 'text' | 'number'
  /** Allowed values; of the items, for a list. */
  values: readonly string[] | undefined
  required: boolean
  default: unknown
  help: string
  /** The value names a file or folder (or `scheme:name`); see `namesFile`. */
  path: 'path' | 'json' | 'model' | undefined
}

type Json = { type?: string; enum?: unknown[]; items?: Json }

/** The schema under optional and default wrappers, and the description of the outermost that has one. */
function unwrap(schema: z.ZodType): { inner: z.ZodType; help: string } {
  let help = schema.description ?? ''
  let inner = schema
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault || inner instanceof z.ZodNullable) {
    inner = inner.unwrap() as z.ZodType
    help ||= inner.description ?? ''
  }
  return { inner, help }
}

/** The fields of a command's input, in the order of its declaration. */
export function fieldsOf(input: z.ZodObject): Field[] {
  return Object.entries(input.shape).map(([name, schema]) => {
    const { inner, help } = unwrap(schema as z.ZodType)
    const json = z.toJSONSchema(inner, { unrepresentable: 'any' }) as Json
    const kind = kindOf(json)
    const values = (kind === 'list' ? json.items?.enum : json.enum) as string[] | undefined
    const fallback = (schema as z.ZodType).safeParse(undefined)
    return {
      name,
      kind,
      item: kind === 'list' && kindOf(json.items ?? {}) === 'number' ? 'number' : 'text',
      values,
      required: !fallback.success,
      default: fallback.success ? fallback.data : undefined,
      help,
      path: pathFields.get(inner)?.kind,
    }
  })
}

function kindOf({ type }: Json): Field['kind'] {
  if (type === 'number' || type === 'integer') return 'number'
  if (type === 'boolean') return 'boolean'
  if (type === 'array') return 'list'
  if (type === 'object') return 'map'
  return 'text'
}
