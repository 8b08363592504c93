/** What a form needs to know of a JSON Schema: the fields of one object, flat. */

export interface FormField {
  name: string
  kind: 'number' | 'text' | 'choice' | 'check' | 'numbers' | 'texts' | 'json'
  title: string
  help: string
  choices: readonly string[]
  integer: boolean
  min: number | undefined
  max: number | undefined
  fallback: unknown
}

type Json = Record<string, unknown>

/** Names that are short for something. */
const TITLES: Record<string, string> = {
  lr: 'Learning rate',
  ema: 'Averaging (EMA) decay',
  qat: 'Quantization-aware training',
  clip: 'Gradient clipping',
  augment: 'Augmentations',
  maxDrop: 'Largest loss of quality',
}

/** `labelSmoothing` → Label smoothing */
export const titleOf = (name: string): string => {
  if (Object.hasOwn(TITLES, name)) return TITLES[name]!
  const words = name.replaceAll(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()
  return words[0]!.toUpperCase() + words.slice(1)
}

/** A bound that no one would type is none. */
const bound = (...values: unknown[]): number | undefined =>
  values.find((v): v is number => typeof v === 'number' && Math.abs(v) < 1e15)

function kindOf(schema: Json): FormField['kind'] {
  if (Array.isArray(schema['enum'])) return 'choice'
  if (schema['type'] === 'boolean') return 'check'
  if (schema['type'] === 'number' || schema['type'] === 'integer') return 'number'
  if (schema['type'] === 'string') return 'text'
  const item = (schema['items'] as Json | undefined)?.['type']
  if (schema['type'] === 'array' && (item === 'number' || item === 'integer')) return 'numbers'
  if (schema['type'] === 'array' && item === 'string') return 'texts'
  return 'json'
}

/** The fields of an object's schema, in its order. */
export function formFields(schema: Json | undefined): FormField[] {
  return Object.entries((schema?.['properties'] ?? {}) as Record<string, Json>).map(([name, field]) => ({
    name,
    kind: kindOf(field),
    title: titleOf(name),
    help: String(field['description'] ?? ''),
    choices: (field['enum'] as unknown[] | undefined)?.map(String) ?? [],
    integer: field['type'] === 'integer',
    min: bound(field['minimum'], field['exclusiveMinimum']),
    max: bound(field['maximum'], field['exclusiveMaximum']),
    fallback: field['default'],
  }))
}
