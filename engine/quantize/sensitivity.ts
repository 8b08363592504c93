import type { Model } from '../ir/index.ts'
import { compare, type RunOptions, type Samples } from './calibrate.ts'
import { curvature } from './curvature.ts'
import type { Quantized } from './quantizeModel.ts'

/**
 * `one-on`: noise on the model's output when a layer alone is in integers; `one-off`: how much noise goes when it alone leaves them;
 * `sqnr`: noise on its own output, all others being integers too; `hessian`: growth of the divergence from the float model's answers that the
 * rounding of its weights makes to second order. From `sqnr` (one run) to `one-off` (a run for each layer) they cost more and say more.
 */
export const sensitivityMethods = ['one-on', 'one-off', 'sqnr', 'hessian'] as const
export type SensitivityMethod = (typeof sensitivityMethods)[number]

/** How much the integers of one layer harm. */
export interface Sensitivity {
  name: string
  method: SensitivityMethod
  /** The larger the more harmful: noise in -dB, gain in dB, divergence in nats. null where nothing can be said. */
  harm: number | null
  /** Signal to noise in dB, for the methods that measure it. */
  sqnr?: number | null
}

export interface RankOptions extends RunOptions {
  method: SensitivityMethod
  samples: Samples
  /** The integer model in which some layers stay in float. */
  integer(exclude: readonly string[]): Promise<Model>
  /** What an interrupted search found. */
  known?: readonly Sensitivity[] | undefined
  onFound(found: Sensitivity): void
}

/** Layers of `all`, the model with all of them in integers, by how much those harm; the most harmful first. */
export async function rankLayers(model: Model, all: Quantized, o: RankOptions): Promise<Sensitivity[]> {
  const layers = all.layers.filter((l) => l.reason === undefined)
  const names = layers.map((l) => l.name)
  const outputs = new Set(
    model.graph.outputs.flatMap(({ name, type }) => (type?.kind === 'tensor' && type.dtype === 'float32' ? [name] : [])),
  )
  const worst = async (integer: Model): Promise<number> =>
    [...(await compare(model, integer, outputs, o.samples, o)).values()].reduce<number>(
      (m, v) => Math.min(m, v ?? Infinity),
      Infinity,
    )
  const known = new Map(o.known?.filter((s) => s.method === o.method).map((s) => [s.name, s]))
  const missing = names.some((name) => !known.has(name))
  const base = missing && o.method === 'one-off' ? await worst(all.model) : 0
  const proxies = missing && o.method === 'hessian' ? await curvature(model, all, o.samples, o) : undefined
  const found: Sensitivity[] = []
  for (const [i, name] of names.entries()) {
    o.signal?.throwIfAborted()
    let one = known.get(name)
    if (!one) {
      one = { name, method: o.method, ...(await harmOf(name)) }
      o.onFound(one)
    }
    found.push(one)
    o.onProgress?.(i + 1)
  }
  return found.sort((p, q) => (q.harm ?? -Infinity) - (p.harm ?? -Infinity))

  async function harmOf(name: string): Promise<{ harm: number | null; sqnr?: number | null }> {
    const finite = (v: number) => (Number.isFinite(v) ? v : null)
    if (proxies) return { harm: proxies.get(name) ?? null }
    if (o.method === 'sqnr') {
      const sqnr = layers.find((l) => l.name === name)!.sqnr
      return { sqnr, harm: sqnr === null ? null : -sqnr }
    }
    if (o.method === 'one-off') {
      const sqnr = await worst(await o.integer([name]))
      return { sqnr: finite(sqnr), harm: finite(sqnr - base) }
    }
    const sqnr = await worst(await o.integer(names.filter((n) => n !== name)))
    return { sqnr: finite(sqnr), harm: finite(-sqnr) }
  }
}
