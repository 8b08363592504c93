/** The store of runs: an interface, and SQLite behind it. In: what runs do; out: what is known about them. */
export type * from './types.ts'
export { isAlive, thisHost, type Host } from './host.ts'
export { checkedId, isId, newId } from './id.ts'
export { defaultStorePath } from './location.ts'
export { StoreFromFutureError } from './migrate.ts'
export { openStore } from './sqlite/open.ts'
