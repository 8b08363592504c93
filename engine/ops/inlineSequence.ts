import { ModelError, UnsupportedError } from '../errors.ts'
import { dataTypeOf, getInt, showNode, type Node } from '../ir/index.ts'
import type { Handler } from './inline.ts'
import { Optional, Sequence, type Value } from './inlineValues.ts'
import { concat, Tensor } from './tensor.ts'

const fault = (node: Node, message: string): ModelError => new ModelError(message, { where: `node ${showNode(node)}` })

function sequence(node: Node, value: Value | undefined): Sequence {
  const held = value instanceof Optional ? value.value : value
  if (held instanceof Sequence) return held
  throw fault(node, 'its first input is no sequence')
}

function tensor(node: Node, value: Value | undefined): Tensor {
  if (value instanceof Tensor) return value
  throw fault(node, 'it takes a tensor here')
}

/** A position in [0, last], from the end where negative. Errors: UnsupportedError where it is computed at run time. */
function position(node: Node, value: Value | undefined, length: number, last: number, fallback: number): number {
  if (!value) return fallback
  const t = tensor(node, value)
  const at = t.scalarValue
  if (at === undefined)
    throw new UnsupportedError(`its position ('${t.name}') is computed at run time`, { where: `node ${showNode(node)}` })
  const i = at < 0 ? at + length : at
  if (i < 0 || i > last) throw fault(node, `position ${at} is outside of a sequence of ${length}`)
  return i
}

/** A member at a position that only the run knows: a row of all members stacked, if they are alike. */
function chosen(node: Node, items: readonly Tensor[], at: Tensor): Tensor | undefined {
  const [first] = items
  if (!first || items.some((t) => t.shape.join() !== first.shape.join())) return undefined
  const stacked = concat(
    items.map((t) => t.unsqueeze([0])),
    0,
  )
  return stacked.gather(at.rank ? at.reshape([]) : at, 0)
}

/** Cuts a tensor along an axis. Spec: onnx SplitToSequence-24: `split` is one length for all parts, or a list; absent, parts of 1. */
const splitToSequence: Handler = (node, x) => {
  const input = tensor(node, x[0])
  const axis = ((a) => (a < 0 ? a + input.rank : a))(getInt(node, 'axis', 0))
  const size = input.shape[axis]
  if (size === undefined) throw fault(node, `axis ${axis} is outside of ${input.toString()}`)
  const given = x[1] && tensor(node, x[1])
  if (given && !given.value)
    throw new UnsupportedError(`its lengths ('${given.name}') are computed at run time`, { where: `node ${showNode(node)}` })
  const values = given?.value ? Array.from(given.value.numbers()) : [1]
  const each = given && given.rank > 0 ? undefined : values[0]!
  if (each !== undefined && each < 1) throw fault(node, `a length of ${each} splits nothing`)
  const lengths =
    each === undefined ? values : Array.from({ length: Math.ceil(size / each) }, (_, i) => Math.min(each, size - i * each))
  const parts = lengths.length > 1 ? input.split(lengths, axis) : [input]
  const flat = !given && getInt(node, 'keepdims', 1) === 0
  return [new Sequence(flat ? parts.map((t) => t.squeeze([axis])) : parts, input.dtype)]
}

const concatFromSequence: Handler = (node, x) => {
  const { items } = sequence(node, x[0])
  const [first] = items
  if (!first) throw fault(node, 'there is nothing to concatenate')
  const joined = getInt(node, 'new_axis', 0) !== 0
  const rank = first.rank + (joined ? 1 : 0)
  const axis = ((a) => (a < 0 ? a + rank : a))(getInt(node, 'axis', 0))
  return [concat(joined ? items.map((t) => t.unsqueeze([axis])) : items, axis)]
}

/**
 * Sequences and optionals exist while compiling only: operators that pack and unpack them leave plain tensors behind. What a handler throws
 * is the reason why the node stays opaque.
 */
export const sequenceOps: Readonly<Record<string, Handler>> = {
  SequenceEmpty: (node) => [new Sequence([], dataTypeOf(getInt(node, 'dtype', 1)))],
  SequenceConstruct: (node, x) => [new Sequence(x.map((v) => tensor(node, v)))],
  SequenceInsert(node, x) {
    const { items, dtype } = sequence(node, x[0])
    const at = position(node, x[2], items.length, items.length, items.length)
    return [new Sequence(items.toSpliced(at, 0, tensor(node, x[1])), dtype)]
  },
  SequenceErase(node, x) {
    const { items, dtype } = sequence(node, x[0])
    const at = position(node, x[1], items.length, items.length - 1, items.length - 1)
    return [new Sequence(items.toSpliced(at, 1), dtype)]
  },
  SequenceAt(node, x) {
    const { items } = sequence(node, x[0])
    const at = tensor(node, x[1])
    const row = at.value ? undefined : chosen(node, items, at)
    return [row ?? items[position(node, at, items.length, items.length - 1, 0)]!]
  },
  SequenceLength: (node, x, _scope, { b }) => [b.array('int64', [], [sequence(node, x[0]).items.length])],
  SplitToSequence: splitToSequence,
  ConcatFromSequence: concatFromSequence,
  Optional: (_node, [value]) => [value instanceof Optional ? value : new Optional(value)],
  OptionalHasElement: (_node, [value], _scope, { b }) => [
    b.array('bool', [], [(value instanceof Optional ? value.value : value) ? 1 : 0]),
  ],
  OptionalGetElement(node, [value]) {
    const held = value instanceof Optional ? value.value : value
    if (!held) throw fault(node, 'the optional is empty')
    return [held]
  },
}
