import { BugError, ModelError } from '../errors.ts'
import type { Attribute, TensorData } from '../ir/index.ts'

/** One attribute of an operator: its ONNX kind and its default. `undefined` as default means that it may be absent. */
export interface AttrKind<T> {
  readonly kind: 'int' | 'float' | 'ints' | 'floats' | 'string' | 'strings' | 'tensor'
  readonly default: T | undefined
}

export type AttrSpec = Record<string, AttrKind<unknown>>

/** Plain values of the attributes that a spec declares; the types flow from the spec into `infer`, `grad` and `cost`. */
export type AttrValues<S extends AttrSpec> = { readonly [K in keyof S]: S[K] extends AttrKind<infer T> ? T : never }

export function int(fallback: number): AttrKind<number>
export function int(): AttrKind<number | undefined>
export function int(fallback?: number): AttrKind<number> | AttrKind<number | undefined> {
  return { kind: 'int', default: fallback }
}

export function float(fallback: number): AttrKind<number>
export function float(): AttrKind<number | undefined>
export function float(fallback?: number): AttrKind<number> | AttrKind<number | undefined> {
  return { kind: 'float', default: fallback }
}

export function string(fallback: string): AttrKind<string>
export function string(): AttrKind<string | undefined>
export function string(fallback?: string): AttrKind<string> | AttrKind<string | undefined> {
  return { kind: 'string', default: fallback }
}

export const ints = (): AttrKind<readonly number[] | undefined> => ({ kind: 'ints', default: undefined })
export const floats = (): AttrKind<readonly number[] | undefined> => ({ kind: 'floats', default: undefined })
export const strings = (): AttrKind<readonly string[] | undefined> => ({ kind: 'strings', default: undefined })
export const tensor = (): AttrKind<TensorData | undefined> => ({ kind: 'tensor', default: undefined })

export type AttrValue = number | string | readonly number[] | readonly string[] | TensorData | undefined

const text = new TextDecoder()
const utf8 = new TextEncoder()

/** Attributes of a node as plain values, defaults filled in. Errors: ModelError on a kind that the operator does not have. */
export function parseAttrs(spec: AttrSpec, attrs: ReadonlyMap<string, Attribute>, where: string): Record<string, AttrValue> {
  const out: Record<string, AttrValue> = {}
  for (const [name, kind] of Object.entries(spec)) {
    const a = attrs.get(name)
    if (a === undefined) {
      out[name] = kind.default as AttrValue
      continue
    }
    if (a.type !== kind.kind) throw new ModelError(`attribute '${name}' is of type ${a.type}, expected ${kind.kind}`, { where })
    if (a.type === 'int') out[name] = Number(a.value)
    else if (a.type === 'ints') out[name] = a.value.map(Number)
    else if (a.type === 'string') out[name] = text.decode(a.value)
    else if (a.type === 'strings') out[name] = a.value.map((s) => text.decode(s))
    else out[name] = a.value
  }
  return out
}

/** The ONNX attributes of plain values; absent and undefined ones are left out. */
export function formatAttrs(spec: AttrSpec, values: Record<string, AttrValue>): Map<string, Attribute> {
  const out = new Map<string, Attribute>()
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue
    const kind = spec[name]?.kind
    if (kind === undefined) throw new BugError(`the rule declares no attribute '${name}'`)
    if (kind === 'string') out.set(name, { type: kind, value: utf8.encode(value as string) })
    else if (kind === 'strings') out.set(name, { type: kind, value: (value as readonly string[]).map((s) => utf8.encode(s)) })
    else out.set(name, { type: kind, value } as Attribute)
  }
  return out
}
