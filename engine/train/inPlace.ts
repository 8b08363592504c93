import { OptionError, StillroomError } from '../errors.ts'
import type { Method } from '../methods/index.ts'
import type { Optimizer } from '../optim/index.ts'
import { nativeAddon, nativeStatus, type Provider, type Value } from '../session/index.ts'
import type { InPlaceUpdate } from './finish.ts'
import type { Program } from './program.ts'

/** Where parameters are updated: in the step's graph, or by the native addon in the state's own memory. */
export type UpdatePlace = 'graph' | 'native'

interface Choice {
  optimizer: Optimizer
  methods: readonly { method: Method }[]
  provider: Provider
  /** Asked for; the better one when left out. */
  update?: UpdatePlace | undefined
  /** Where an interrupted run had it: the last bits may differ between the two, so it stays there. */
  resumed?: UpdatePlace | undefined
}

/**
 * Where a run updates its parameters: in place wherever the addon is there and knows the rule, as that was never slower. `lost` says that
 * an interrupted run cannot go on where it was. Errors: OptionError where the addon is asked for and cannot be had.
 */
export function updatePlace({ optimizer, methods, provider, update, resumed }: Choice): { place: UpdatePlace; lost?: string } {
  const why =
    provider !== 'cpu'
      ? `state stays on the device of '${provider}'`
      : methods.some(({ method }) => method.update)
        ? 'a method has an update rule of its own'
        : !optimizer.kernel
          ? `the addon does not know '${optimizer.id}'`
          : nativeAddon()
            ? undefined
            : `the native addon is ${nativeStatus().text}`
  if (resumed === 'native' && why) return { place: 'graph', lost: why }
  if (update === 'native' && why) throw new OptionError(`no update in place: ${why}`, { where: 'update' })
  return { place: resumed ?? update ?? (why ? 'graph' : 'native') }
}

export interface Scalars {
  lr: number
  /** The optimizer's `hostScalars`. */
  scalars: Readonly<Record<string, number>>
  averageDecay?: number | undefined
  threads?: number | undefined
}

/**
 * Puts what a step answered into the state, and makes the update that was left to the addon. Memory of values that are replaced is freed at
 * once, so the next step's outputs find it warm: measured, an output of 20 MB then costs half. Who keeps a value of the state must copy it.
 * Errors: StillroomError `goal-missed` where a gradient is not finite.
 */
export function advance(program: Program, state: Map<string, Value>, out: Readonly<Record<string, Value>>, s: Scalars): void {
  for (const name of program.changes) {
    state.get(name)?.dispose()
    state.set(name, out[`next/${name}`]!)
  }
  const { inPlace } = program
  if (!inPlace) return
  const finite = updateInPlace(inPlace, state, out, s)
  for (const { grad } of inPlace.tensors) out[grad]!.dispose()
  if (!finite)
    throw new StillroomError('goal-missed', 'a gradient is no longer a number', {
      where: 'training',
      hint: 'use a lower --lr, a longer --warmup, or --clip 1',
    })
}

function updateInPlace(
  u: InPlaceUpdate,
  state: ReadonlyMap<string, Value>,
  out: Readonly<Record<string, Value>>,
  s: Scalars,
): boolean {
  const floats = (name: string) => state.get(name)!.data as Float32Array
  const slot = (k: number) => u.tensors.map((t) => floats(t.slots[k]!))
  const two = u.tensors[0]?.slots.length === 2
  const { finite } = nativeAddon()!.update({
    ...u.kernel,
    params: u.tensors.map((t) => floats(t.name)),
    grads: u.tensors.map((t) => out[t.grad]!.data as Float32Array),
    m: slot(0),
    v: two ? slot(1) : undefined,
    averages: s.averageDecay === undefined ? undefined : u.tensors.map((t) => (t.average ? floats(t.average) : undefined)),
    decays: Float32Array.from(u.tensors, (t) => t.decay),
    clip: u.clip,
    lr: s.lr,
    first: s.scalars.first,
    second: s.scalars.second,
    averageDecay: s.averageDecay,
    threads: s.threads,
  })
  for (const name of u.sums) floats(name).fill(0)
  return finite
}
