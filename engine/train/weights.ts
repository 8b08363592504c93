import { TensorData } from '../ir/index.ts'
import { newBuilder } from '../ops/index.ts'
import { lower } from '../passes/index.ts'
import { createSession, type Value } from '../session/index.ts'
import { STEPS } from './fakeQuantize.ts'
import type { FitOptions } from './fit.ts'
import { rolesOf } from './parameters.ts'
import type { Net } from './program.ts'
import { changesParameters, seenParameters } from './seen.ts'

type Given = Pick<FitOptions, 'student' | 'methods' | 'qat' | 'target' | 'threads' | 'ema'>
export type State = ReadonlyMap<string, Value>
type Weights = Map<string, TensorData>

/**
 * How a training's state becomes the student's weights: parameters (averaged ones where an average is kept) and statistics by the student's own
 * names, trained steps of integers under theirs, and where a method gives the network other parameters than it trains, those.
 */
export async function weightsReader(o: Given): Promise<{ read(state: State): Promise<Weights>; release(): Promise<void> }> {
  const plain = (state: State) => studentWeights(o.student, state, o.ema !== undefined)
  if (!changesParameters(o.methods)) return { read: (state) => Promise.resolve(plain(state)), release: () => Promise.resolve() }
  const b = newBuilder()
  const seen = seenParameters(b, o, (name, dims) => b.inputs.find((t) => t.name === name) ?? b.input(name, 'float32', dims))
  const { initializers } = o.student.model.graph
  const outputs = Object.fromEntries(
    rolesOf(o.student.model.graph).parameters.map((name) => [name, seen(name, initializers.get(name)!)!]),
  )
  // What a method leaves alone needs no computing.
  const computed = Object.entries(outputs).filter(([, t]) => t.step >= 0)
  const lowered = lower(b, computed.map(([, t]) => t), o.target) // prettier-ignore
  const model = lowered.b.model(Object.fromEntries(computed.map(([name, t]) => [name, lowered.at(t)])), { name: 'weights' })
  const session = await createSession(model, { threads: o.threads, name: 'weights' })
  const wanted = new Set(session.inputs.map((p) => p.name))
  return {
    async read(state) {
      const weights = plain(state)
      const averaged = (name: string) => (o.ema === undefined ? undefined : state.get(`ema/${name}`)) ?? state.get(name)!
      const out = await session.run(Object.fromEntries([...wanted].map((name) => [name, averaged(name)])))
      for (const [name] of computed)
        weights.set(name, TensorData.from(initializers.get(name)!.dtype, out[name]!.dims, out[name]!.numbers()))
      return weights
    },
    release: () => session.release(),
  }
}

/** Current parameters and statistics by the student's own names; averaged parameters where an average is kept. */
function studentWeights(student: Net, state: State, averages: boolean): Weights {
  const roles = rolesOf(student.model.graph)
  const copy = (value: Value) => TensorData.of('float32', value.dims, Float32Array.from(value.data as Float32Array))
  const read = (key: string, name: string): [string, TensorData][] => {
    const value = (averages ? state.get(`ema/${key}`) : undefined) ?? state.get(key)
    return value ? [[name, copy(value).as(student.model.graph.initializers.get(name)!.dtype)]] : []
  }
  return new Map([
    ...roles.parameters.flatMap((n) => read(`param/${n}`, n)),
    ...roles.statistics.flatMap((n) => read(`stat/${n}`, n)),
    ...[...state].flatMap(([name, value]): [string, TensorData][] => (name.startsWith(STEPS) ? [[name, copy(value)]] : [])),
  ])
}
