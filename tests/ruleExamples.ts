/** The examples inside the operator rules as subjects of a gradient check. */
import { isFloat, sizeOf, TensorData, type DataType } from '../engine/ir/index.ts'
import { type Subject } from '../engine/inspect/gradcheck/index.ts'
import {
  newBuilder,
  ruleBook,
  WORKING_OPSET,
  type Example,
  type ExampleInput,
  type OpRule,
  type Tensor,
} from '../engine/ops/index.ts'
import { random } from '../engine/random.ts'

export interface ExampleFeed {
  data: TensorData
  /** Known to the compiler. */
  constant: boolean
  /** It is the same tensor as this earlier input. */
  sameAs?: number
}

/** The opset that finds this rule: the working one, or 17 for the definition before. */
export const opsetOf = (rule: OpRule): number =>
  ruleBook.find(rule.type, rule.domain ?? '', WORKING_OPSET) === rule ? WORKING_OPSET : 17

/** What an example says of an input, shapes written out; undefined where it is left out. */
type Spec = Exclude<ExampleInput, readonly number[] | null>

const specOf = (input: ExampleInput): Spec | undefined =>
  input === null ? undefined : Array.isArray(input) ? { shape: input as number[] } : (input as Spec)

/** Inputs of an example; its floats are of type `float`, undefined where an input is left out. */
export function exampleFeeds(example: Example, float: DataType, seed: number): (ExampleFeed | undefined)[] {
  const out: (ExampleFeed | undefined)[] = []
  for (const [slot, input] of example.x.entries()) out.push(feedOf(specOf(input), slot))
  return out

  function feedOf(spec: Spec | undefined, slot: number): ExampleFeed | undefined {
    if (!spec) return undefined
    if ('sameAs' in spec) return { ...out[spec.sameAs]!, sameAs: spec.sameAs }
    const stream = random(seed, 'example', slot)
    const dtype = spec.dtype ?? float
    const n = sizeOf(spec.shape)
    if (spec.values) return { data: TensorData.from(dtype, spec.shape, spec.values), constant: true }
    const [lo, hi] = spec.range ?? [-2, 2]
    const draw = (i: number): number => {
      const own = stream.fork(i)
      for (let tries = 0; tries < 1000; tries++) {
        const v = lo + (hi - lo) * own.uniform(tries)
        if (!(example.away ?? []).some((a) => Math.abs(v - a) < 0.1)) return v
      }
      throw new Error(`no value in [${lo}, ${hi}] is away from ${String(example.away)}`)
    }
    const order = stream.fork('order').permutation(n)
    const value = (i: number): number => {
      if (spec.distinct) return lo + ((order[i]! + 0.25 + 0.25 * stream.uniform(i)) * (hi - lo)) / n
      if (dtype === 'bool') return stream.int(i, 2)
      return isFloat(dtype) ? draw(i) : stream.int(i, 4)
    }
    return {
      data: TensorData.from(
        dtype,
        spec.shape,
        Float64Array.from({ length: n }, (_, i) => value(i)),
      ),
      constant: false,
    }
  }
}

/** The example with the operator emitted by its rule; undefined where no float goes in or comes out. */
export function exampleSubject(rule: OpRule, example: Example, float: 'float32' | 'float64', seed: number): Subject | undefined {
  const b = newBuilder(opsetOf(rule))
  const point = new Map<string, TensorData>()
  const wrt: Tensor[] = []
  const x: (Tensor | undefined)[] = []
  for (const [i, feed] of exampleFeeds(example, float, seed).entries()) x.push(feed && declare(feed, i))
  const outputs = b.emit(rule.type, x, (example.a ?? {}) as never, { domain: rule.domain ?? '', outputs: example.outputs ?? 1 })
  return wrt.length > 0 && outputs.some((y) => isFloat(y.dtype) && y.size > 0) ? { b, point, wrt, outputs } : undefined

  function declare({ data, constant, sameAs }: ExampleFeed, i: number): Tensor {
    if (sameAs !== undefined) return x[sameAs]!
    if (constant) return b.constant(data)
    const t = b.input(`in${i}`, data.dtype, data.dims)
    point.set(t.name, data)
    // A scale stays float32 in a double graph: differences with fine steps would be of its rounding.
    if (data.size > 0 && data.dtype === float) wrt.push(t)
    return t
  }
}
