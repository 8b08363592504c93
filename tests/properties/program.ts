/** Random programs: operators drawn from all rules, fed with each other's results, as subjects of a gradient check. */
import { ModelError, UnsupportedError } from '../../engine/errors.ts'
import { isFloat, sameShape, sizeOf, TensorData } from '../../engine/ir/index.ts'
import type { Subject } from '../../engine/inspect/gradcheck/index.ts'
import {
  concat,
  newBuilder,
  ruleBook,
  WORKING_OPSET,
  type Builder,
  type Example,
  type OpRule,
  type Tensor,
} from '../../engine/ops/index.ts'
import { PRIVATE } from '../../engine/ops/rule.ts'
import { random, type Random } from '../../engine/random.ts'
import { exampleFeeds, type ExampleFeed } from '../ruleExamples.ts'

/** One operator of a program, as it can be told to a reader. */
export interface Call {
  op: string
  example: number
  inputs: string[]
  outputs: string[]
}

export interface Program extends Subject {
  calls: Call[]
  /** The tensors that each call made, in order: the first n calls are a program of their own. */
  made: Tensor[][]
}

/** What values of this program's calls must fit into where an example says nothing else. */
const USUAL = [-2, 2] as const
/** Largest tensor of a program. */
const LIMIT = 256

/** Rules that a program may use: those that the working opset finds, that are deterministic and have examples with a float. */
export const drawable = (): OpRule[] =>
  ruleBook.rules.filter(
    (rule) =>
      ruleBook.find(rule.type, rule.domain ?? '', WORKING_OPSET) === rule &&
      rule.domain !== 'com.microsoft.nchwc' &&
      rule.domain !== PRIVATE &&
      typeof rule.grad !== 'object' &&
      !rule.random &&
      rule.examples.length > 0,
  )

/** A program of `length` calls in double precision; the same seed gives the same program. */
export function randomProgram(rules: readonly OpRule[], seed: number, length: number): Program {
  const b = newBuilder()
  const state: State = { b, draw: random(seed, 'program'), at: 0, point: new Map(), wrt: [], pool: [], seed }
  for (const shape of [[2, 3], [4], [1, 2, 3, 4]]) state.pool.push(fresh(state, shape, USUAL))
  const calls: Call[] = []
  const made: Tensor[][] = []
  // An example may not fit, or its result be too large: then another operator is drawn.
  for (let tries = 0; calls.length < length && tries < 20 * length; tries++) {
    const rule = pick(state, rules)
    const example = Math.floor(next(state) * rule.examples.length)
    try {
      const { x, y } = call(state, rule, rule.examples[example]!, tries)
      const floats = y.filter((t) => t.dtype === 'float64' && t.size > 0 && t.size <= LIMIT && t.rank <= 5)
      if (floats.length === 0) continue
      state.pool.push(...floats)
      const show = (t: Tensor | undefined) => t?.toString() ?? 'absent'
      calls.push({ op: `${rule.domain ? `${rule.domain}.` : ''}${rule.type}`, example, inputs: x.map(show), outputs: y.map(show) })
      made.push(floats)
    } catch (error) {
      if (!(error instanceof ModelError || error instanceof UnsupportedError)) throw error
    }
  }
  return { b, point: state.point, wrt: state.wrt, outputs: leaves(made), calls, made }
}

/** The first `n` calls of a program. */
export const prefix = (program: Program, n: number): Subject => ({ ...program, outputs: leaves(program.made.slice(0, n)) })

/** Results that no later call of the program reads. */
function leaves(made: readonly (readonly Tensor[])[]): Tensor[] {
  const all = made.flat()
  const last = all.at(-1)
  if (!last) return []
  const read = new Set(last.b.reachable(all).flatMap((step) => step.inputs))
  return [...new Set(all.filter((t) => !read.has(t)))]
}

interface State {
  b: Builder
  draw: Random
  at: number
  point: Map<string, TensorData>
  wrt: Tensor[]
  /** Values that calls may read. */
  pool: Tensor[]
  seed: number
}

const next = (s: State): number => s.draw.uniform(s.at++)
const pick = <T>(s: State, list: readonly T[]): T => list[Math.floor(next(s) * list.length)]!

/** A new input of the program with values in a range. */
function fresh(s: State, shape: readonly number[], [lo, hi]: readonly [number, number]): Tensor {
  const t = s.b.input(`p${s.wrt.length}`, 'float64', shape)
  const values = random(s.seed, 'value', s.wrt.length).fillUniform(new Float64Array(sizeOf(shape)), lo, hi)
  s.point.set(t.name, TensorData.of('float64', shape, values))
  s.wrt.push(t)
  return t
}

/** Calls an operator as its example says, on values of the pool. */
function call(s: State, rule: OpRule, example: Example, tries: number): { x: (Tensor | undefined)[]; y: Tensor[] } {
  const emit = (x: readonly (Tensor | undefined)[]) =>
    s.b.emit(rule.type, x, (example.a ?? {}) as never, { domain: rule.domain ?? '', outputs: example.outputs ?? 1 })
  const feeds = exampleFeeds(example, 'float64', s.seed + tries)
  // An operator of one operand takes any shape: then a value goes in as it is.
  const [spec] = example.x
  const free = example.x.length === 1 && feeds[0] && !feeds[0].constant && spec && !('distinct' in spec && spec.distinct)
  if (free && next(s) < 0.7) {
    const whole = [squashed(pick(s, s.pool), ('range' in spec ? spec.range : undefined) ?? USUAL)]
    return { x: whole, y: emit(whole) }
  }
  const x: (Tensor | undefined)[] = []
  for (const [i, feed] of feeds.entries()) x.push(feed && operand(feed, i))
  return { x, y: emit(x) }

  function operand({ data, constant, sameAs }: ExampleFeed, i: number): Tensor {
    if (sameAs !== undefined) return x[sameAs]!
    if (constant || data.dtype !== 'float64' || data.size === 0) return s.b.constant(data)
    const spec = example.x[i]!
    const range = ('range' in spec ? spec.range : undefined) ?? USUAL
    // Operators that compare elements want distinct ones: what others made may repeat values.
    if (('distinct' in spec && spec.distinct) || next(s) < 0.25) return fresh(s, data.dims, range)
    return fitted(s, pick(s, s.pool), data.dims, range)
  }
}

/** A value in another shape, its elements in order, cut off or repeated ever smaller, and then within a range. */
function fitted(s: State, t: Tensor, shape: readonly number[], range: readonly [number, number]): Tensor {
  if (sameShape(t.shape, shape)) return squashed(t, range)
  const wanted = sizeOf(shape)
  const flat = t.reshape([t.size])
  if (flat.size > wanted) {
    const from = Math.floor(next(s) * (flat.size - wanted + 1))
    return squashed(flat.slice([from], [from + wanted], [0]).reshape(shape), range)
  }
  const times = Array.from({ length: Math.ceil(wanted / flat.size) }, (_, k) => (k === 0 ? flat : flat.mul(1 / (1 + k / 10))))
  const repeated = concat(times, 0)
  const cut = repeated.size === wanted ? repeated : repeated.slice([0], [wanted], [0])
  return squashed(cut.reshape(shape), range)
}

/** Smoothly into an open range, so that values neither grow from call to call nor leave an operator's domain. */
function squashed(t: Tensor, [lo, hi]: readonly [number, number]): Tensor {
  if (!isFloat(t.dtype)) return t
  const middle = (lo + hi) / 2
  const half = (hi - lo) / 2
  const scaled = t
    .mul(1 / Math.max(half, 1e-3))
    .tanh()
    .mul(half)
  return middle === 0 ? scaled : scaled.add(middle)
}
