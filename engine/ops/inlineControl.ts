import { ModelError, UnsupportedError } from '../errors.ts'
import { getInt, getInts, showNode, showShape, type Graph, type Node } from '../ir/index.ts'
import type { Handler } from './inline.ts'
import { Sequence, type Value } from './inlineValues.ts'
import { concat, Tensor, where } from './tensor.ts'
import { cut, UnrollGuard } from './support/unroll.ts'

const unsure = (node: Node, reason: string): UnsupportedError => new UnsupportedError(reason, { where: `node ${showNode(node)}` })

function subgraph(node: Node, name: string): Graph {
  const a = node.attrs.get(name)
  if (a?.type !== 'graph') throw new ModelError(`it has no subgraph '${name}'`, { where: `node ${showNode(node)}` })
  return a.value
}

function tensor(node: Node, value: Value | undefined, what: string): Tensor {
  if (value instanceof Tensor) return value
  throw new ModelError(`${what} is no tensor`, { where: `node ${showNode(node)}` })
}

/** The single number of a known value. Errors: UnsupportedError where it is computed at run time. */
function known(node: Node, value: Value | undefined, what: string): number {
  const t = tensor(node, value, what)
  const n = t.scalarValue
  if (n === undefined) throw unsure(node, `${what} ('${t.name}') is computed at run time`)
  return n
}

/** Slices joined along a new axis. */
function stack(parts: readonly Tensor[], axis: number): Tensor {
  const [first] = parts as [Tensor]
  const differing = parts.find((t) => t.shape.join() !== first.shape.join())
  if (differing)
    throw new ModelError(`the passes give ${showShape(first.shape)} and ${showShape(differing.shape)}, which cannot be stacked`)
  // Joining along the first axis needs no node for each part.
  if (axis === 0 && first.rank > 0) return concat(parts, 0).reshape([parts.length, ...first.shape])
  return concat(
    parts.map((t) => t.unsqueeze([axis])),
    axis,
  )
}

/** No slices at all, of the type that a pass would give. */
const none = (like: Tensor, axis: number): Tensor => like.b.zeros(like.shape.toSpliced(axis, 0, 0), like.dtype)

/**
 * The branch that a known condition takes. Of a condition that only the run knows, both branches are computed and one is selected, where they
 * give the same types: the gradient then reaches both, as zeros in the one not taken. Spec: onnx If-23.
 */
const branch: Handler = (node, x, scope, inliner) => {
  const condition = tensor(node, x[0], 'its condition')
  const body = (name: string) => inliner.body(subgraph(node, name), [], scope)
  const taken = condition.scalarValue
  if (taken !== undefined) return body(taken !== 0 ? 'then_branch' : 'else_branch')
  const reason = `its condition ('${condition.name}') is computed at run time`
  let sides: Value[][]
  try {
    sides = ['then_branch', 'else_branch'].map(body)
  } catch (error) {
    if (!(error instanceof ModelError || error instanceof UnsupportedError)) throw error
    throw unsure(node, `${reason}, and one of its branches cannot be written out: ${error.message}`)
  }
  const [yes, no] = sides as [Value[], Value[]]
  const scalar = condition.rank ? condition.reshape([]) : condition
  return yes.map((p, k) => {
    const q = no[k]
    const alike = p instanceof Tensor && q instanceof Tensor && p.dtype === q.dtype && p.shape.join() === q.shape.join()
    if (!alike) throw unsure(node, `${reason}, and its branches give ${shown(p)} and ${shown(q)}`)
    return where(scalar, p, q)
  })
}

const shown = (v: Value | undefined): string => (v instanceof Tensor ? `${v.dtype}${showShape(v.shape)}` : (v?.kind ?? 'nothing'))

/** True where the body only hands its condition on, so that the trip count alone ends the loop. */
function keepsGoing(body: Graph): boolean {
  const given = body.inputs[1]?.name
  let name = body.outputs[0]?.name ?? ''
  for (;;) {
    if (name === given || body.initializers.has(name)) return true
    const maker = body.nodes.find((n) => n.outputs.includes(name))
    if (maker?.op === 'Constant') return true
    if (maker?.op !== 'Identity') return false
    name = maker.inputs[0] ?? ''
  }
}

/**
 * The passes of a loop one after the other. The trip count must be known, and the condition after each pass. Scanned outputs are stacked.
 * Spec: onnx Loop-23.
 */
const loop: Handler = (node, x, scope, inliner) => {
  const { b } = inliner
  const body = subgraph(node, 'body')
  const most = x[0] ? known(node, x[0], 'its trip count') : Infinity
  let going = x[1] ? known(node, x[1], 'its condition') !== 0 : true
  const trips = Number.isFinite(most) && keepsGoing(body) ? most : undefined
  const initial = x.slice(2).map((v, i) => {
    if (v) return v
    throw new ModelError(`loop-carried input ${i} is left out`, { where: `node ${showNode(node)}` })
  })
  const guard = new UnrollGuard(b, 'Loop', `node ${showNode(node)}`)
  const pass = (i: number, carried: readonly Value[]) =>
    inliner.body(body, [b.array('int64', [], [i]), b.array('bool', [], [1]), ...carried], scope)
  let carried: readonly Value[] = initial
  const scanned = Array.from({ length: body.outputs.length - 1 - initial.length }, (): Tensor[] => [])
  let done = 0
  while (going && done < most) {
    const [next, ...rest] = pass(done, carried)
    carried = rest.slice(0, initial.length)
    scanned.forEach((list, k) => list.push(tensor(node, rest[initial.length + k], `scanned output ${k}`)))
    done += 1
    guard.passed(done, trips)
    if (done < most) going = known(node, next, `the condition after pass ${done}`) !== 0
  }
  // A loop that never runs still has outputs: their types are those of a pass that is then dropped.
  const types = scanned.length && done === 0 ? pass(0, initial).slice(1 + initial.length) : []
  return [
    ...carried,
    ...scanned.map((list, k) => (list.length ? stack(list, 0) : none(tensor(node, types[k], `scanned output ${k}`), 0))),
  ]
}

/** The steps of a scan along the length of its inputs. Spec: onnx Scan-23. */
const scan: Handler = (node, x, scope, inliner) => {
  const { b } = inliner
  const body = subgraph(node, 'body')
  const m = getInt(node, 'num_scan_inputs', 0)
  const inputs = x.map((v, i) => tensor(node, v, `input ${i}`))
  const initial = inputs.slice(0, inputs.length - m)
  const given = inputs.slice(inputs.length - m)
  const outputs = body.outputs.length - initial.length
  const at = (name: string, i: number) => getInts(node, name)?.[i] ?? 0
  const positive = (axis: number, rank: number) => (axis < 0 ? axis + rank : axis)
  const axes = given.map((t, i) => positive(at('scan_input_axes', i), t.rank))
  const steps = given[0]?.shape[axes[0]!]
  if (steps === undefined || given.some((t, i) => t.shape[axes[i]!] !== steps))
    throw new ModelError(`the scanned inputs are not of one length: ${given.map(String).join(', ')}`, {
      where: `node ${showNode(node)}`,
    })
  const slices = given.map((t, i) => {
    const axis = axes[i]!
    const shape = t.shape.toSpliced(axis, 1)
    if (steps === 0) return []
    const parts = cut(t, steps, axis).map((part) => part.reshape(shape))
    return at('scan_input_directions', i) === 1 ? parts.reverse() : parts
  })
  const guard = new UnrollGuard(b, 'Scan', `node ${showNode(node)}`)
  let state: Value[] = initial
  const scanned = Array.from({ length: outputs }, (): Tensor[] => [])
  for (let t = 0; t < steps; t++) {
    const y = inliner.body(body, [...state, ...slices.map((list) => list[t]!)], scope)
    state = y.slice(0, initial.length)
    scanned.forEach((list, k) => list.push(tensor(node, y[initial.length + k], `scanned output ${k}`)))
    guard.passed(t + 1, steps)
  }
  const empty = given.map((t, i) => b.zeros(t.shape.toSpliced(axes[i]!, 1), t.dtype))
  const types = steps === 0 ? inliner.body(body, [...initial, ...empty], scope).slice(initial.length) : []
  const joined = scanned.map((list, k) => {
    const like = list[0] ?? tensor(node, types[k], `scanned output ${k}`)
    const axis = positive(at('scan_output_axes', k), like.rank + 1)
    if (!list.length) return none(like, axis)
    return stack(at('scan_output_directions', k) === 1 ? list.toReversed() : list, axis)
  })
  return [...state, ...joined]
}

/** The body once for each member of the sequences; tensors are the same for all. Spec: onnx SequenceMap-17. */
const sequenceMap: Handler = (node, x, scope, inliner) => {
  const body = subgraph(node, 'body')
  const [first] = x
  if (!(first instanceof Sequence)) throw unsure(node, 'its sequence is not known while compiling')
  const guard = new UnrollGuard(inliner.b, 'SequenceMap', `node ${showNode(node)}`)
  const results = first.items.map((_, i) => {
    const given = x.map((v) => (v instanceof Sequence ? v.items[i] : v))
    const missing = given.findIndex((v) => v === undefined)
    if (missing >= 0) throw new ModelError(`input ${missing} has no member ${i}`, { where: `node ${showNode(node)}` })
    const y = inliner.body(body, given as Value[], scope).map((v, k) => tensor(node, v, `output ${k}`))
    guard.passed(i + 1, first.items.length)
    return y
  })
  return body.outputs.map((_, k) => new Sequence(results.map((y) => y[k]!)))
}

/** Operators with subgraphs. What they throw is the reason why the node stays opaque. */
export const controlFlow: Readonly<Record<string, Handler>> = { If: branch, Loop: loop, Scan: scan, SequenceMap: sequenceMap }
