import type { Provider } from './options.ts'
import type { NodeTime } from './profile.ts'

/** A node that ran on the CPU although another provider was asked for. */
export interface Fallback {
  node: string
  op: string
}

/** Nodes of a profile that did not run on the provider. Copies between device and host are the runtime's own and counted apart, by `copiesIn`. */
export const fallbacksIn = (times: readonly NodeTime[], provider: Provider): Fallback[] =>
  times.flatMap(({ name, op, provider: ran }) => (ran === provider || isCopy(op) ? [] : [{ node: name, op }]))

const isCopy = (op: string): boolean => op === 'MemcpyToHost' || op === 'MemcpyFromHost'

/** Copies that the runtime put between nodes of different providers. */
export const copiesIn = (times: readonly NodeTime[]): number => times.filter((t) => isCopy(t.op)).length

/** Names shown of each operator; the rest is counted. */
const SHOWN = 3

/** Fallbacks in one line, by operator: `LogSoftmax (2: a, b), OneHot (1: c)`. */
export function showFallbacks(list: readonly Fallback[]): string {
  const byOp = new Map<string, string[]>()
  for (const { op, node } of list) byOp.set(op, [...(byOp.get(op) ?? []), node])
  return [...byOp]
    .map(([op, nodes]) => {
      const names = nodes.slice(0, SHOWN).join(', ') + (nodes.length > SHOWN ? ', …' : '')
      return `${op} (${nodes.length}: ${names})`
    })
    .join(', ')
}
