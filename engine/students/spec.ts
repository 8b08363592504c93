/** Parts of a student's description `name:argument?key=value&key=value`. */
export function splitSpec(spec: string): { name: string; argument: string | undefined; query: string } {
  const [path = '', query = ''] = spec.split(/\?(.*)/s)
  const [name = '', argument] = path.split(/:(.*)/s)
  return { name, argument, query }
}

/** `a=1&b=x` as values: numbers and booleans where they look like it, otherwise text. */
export function parseQuery(query: string): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  for (const [key, value] of new URLSearchParams(query)) {
    const number = value.trim() === '' ? NaN : Number(value)
    out[key] = value === 'true' ? true : value === 'false' ? false : Number.isNaN(number) ? value : number
  }
  return out
}
