import { UnsupportedError } from '../errors.ts'
import type { DataType } from '../ir/index.ts'
import type { Tensor } from './tensor.ts'

/** A sequence of tensors whose length and members are known while building; it exists in the compiler only. */
export class Sequence {
  readonly kind = 'sequence'
  readonly items: readonly Tensor[]
  /** Element type; undefined for an empty sequence of unstated type. */
  readonly dtype: DataType | undefined

  constructor(items: readonly Tensor[], dtype: DataType | undefined = items[0]?.dtype) {
    this.items = items
    this.dtype = dtype
  }
}

/** An optional of which it is known while building whether it holds something. */
export class Optional {
  readonly kind = 'optional'
  readonly value: Tensor | Sequence | undefined

  constructor(value: Tensor | Sequence | undefined) {
    this.value = value
  }
}

export type Value = Tensor | Sequence | Optional

/** Names and their values in one graph; a subgraph sees the names around it. */
export class Scope {
  readonly values = new Map<string, Value>()
  readonly #outer: Scope | undefined

  constructor(outer?: Scope) {
    this.#outer = outer
  }

  get(name: string): Value | undefined {
    return this.values.get(name) ?? this.#outer?.get(name)
  }

  /** Errors: UnsupportedError for a name without a value: an input of the model that was not given. */
  need(name: string): Value {
    const value = this.get(name)
    if (!value) throw new UnsupportedError(`value '${name}' is not known while compiling`, { where: `value '${name}'` })
    return value
  }

  set(name: string, value: Value): void {
    this.values.set(name, value)
  }
}
