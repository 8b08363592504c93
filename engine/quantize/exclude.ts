import { OptionError } from '../errors.ts'
import type { Node } from '../ir/index.ts'

/**
 * Why a layer stays in float by the person's wish; undefined where none applies.
 * @param list names of nodes or of their outputs, or regular expressions between slashes
 * Errors: OptionError for an expression that is none.
 */
export function excluded(node: Pick<Node, 'name' | 'outputs'>, list: readonly string[] | undefined): string | undefined {
  const names = [node.name, ...node.outputs].filter(Boolean)
  for (const entry of list ?? []) {
    const body = /^\/(.+)\/$/s.exec(entry)?.[1]
    if (body === undefined ? names.includes(entry) : names.some((name) => expression(body, entry).test(name)))
      return `excluded by '${entry}'`
  }
  return undefined
}

function expression(body: string, entry: string): RegExp {
  try {
    return new RegExp(body)
  } catch {
    throw new OptionError(`'${entry}' is no regular expression`, { where: 'exclude' })
  }
}
