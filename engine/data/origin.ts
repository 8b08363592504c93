/** Where a data set or an augmentation came from, so that another thread can make the same one. Copies with other contents have no origin. */
import type { Augment, DataSet, OpenOptions } from './types.ts'

export interface SetOrigin {
  spec: string
  options: Required<OpenOptions>
}

export interface AugmentOrigin {
  id: string
  options: unknown
}

const sets = new WeakMap<DataSet, SetOrigin>()
const augments = new WeakMap<Augment, AugmentOrigin>()

/** Remembers how a data set was opened. */
export function openedAs(set: DataSet, origin: SetOrigin): DataSet {
  sets.set(set, origin)
  return set
}

/** Remembers what an augmentation was made of. */
export function madeOf(augment: Augment, origin: AugmentOrigin): Augment {
  augments.set(augment, origin)
  return augment
}

/** Undefined for a set that was put together in memory. */
export const originOf = (set: DataSet): SetOrigin | undefined => sets.get(set)

/** Undefined for one that is no file of `augment/`. */
export const augmentOrigin = (augment: Augment): AugmentOrigin | undefined => augments.get(augment)
