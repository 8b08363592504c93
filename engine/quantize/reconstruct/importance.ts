import { gradientsOrNone } from '../../autodiff/index.ts'
import { StillroomError, UnsupportedError } from '../../errors.ts'
import type { Model } from '../../ir/index.ts'
import { crossEntropy } from '../../losses/index.ts'
import { inlineGraph, newBuilder } from '../../ops/index.ts'
import { lower } from '../../passes/index.ts'
import { random } from '../../random.ts'
import { createSession, Value, type Feeds, type Session } from '../../session/index.ts'
import type { ReconstructOptions } from './reconstruct.ts'

export interface Importance {
  /** Squared gradient of the output's log-likelihood to each number of a value, mean 1; undefined where there is none. */
  of(feeds: Feeds, value: string): Promise<Value | undefined>
  release(): Promise<void>
  /** Why every number counts the same where it does; known after the first ask. */
  reason(): string | undefined
}

/**
 * How much each number of a value matters to the model's answer: the diagonal of the Fisher information, as squared gradients for labels that are
 * drawn from the model's own probabilities, so that no labels are needed. Source: Li et al. 2021, arXiv:2102.05426, section 3.3, equation 10.
 * A model whose first output is no row of class scores, or that cannot be differentiated, gets equal importance and the reason.
 */
export async function importance(model: Model, o: ReconstructOptions): Promise<Importance> {
  const equal = (reason: string): Importance => ({
    of: () => Promise.resolve(undefined),
    release: () => Promise.resolve(),
    reason: () => reason,
  })
  const sessions = new Map<string, Session>()
  let reason: string | undefined
  const open = async (feeds: Feeds, value: string): Promise<Session> => {
    const key = `${value}:${Object.values(feeds).map((v) => v.dims.join()).join(';')}` // prettier-ignore
    const known = sessions.get(key)
    if (known) return known
    const b = newBuilder()
    const fed = new Map(model.graph.inputs.filter((v) => feeds[v.name]).map(({ name }) => [name, b.input(name, feeds[name]!.dtype, feeds[name]!.dims)])) // prettier-ignore
    const values = inlineGraph(b, model.graph, fed)
    const logits = values.get(model.graph.outputs[0]!.name)!
    if (logits.rank !== 2) throw new UnsupportedError('the first output is no row of class scores')
    const noise = b.input('noise', 'float32', logits.shape)
    // The largest of score + Gumbel noise is a draw from the softmax.
    const drawn = logits.add(noise)
    const label = drawn
      .greaterOrEqual(drawn.max([1], true))
      .cast('float32')
      .detach()
    const [grad] = gradientsOrNone(crossEntropy(logits, label), [values.get(value)!])
    if (!grad) throw new UnsupportedError(`the output does not depend on '${value}'`)
    const squared = grad.square()
    const lowered = lower(b, [squared])
    const session = await createSession(lowered.b.model({ squared: lowered.at(squared) }), {
      threads: o.threads,
      name: 'importance',
    })
    sessions.set(key, session)
    return session
  }
  const probe = await (async () => {
    for await (const feeds of o.samples()) return feeds
    return undefined
  })()
  if (!probe) return equal('there are no samples')
  let count = 0
  return {
    async of(feeds, value) {
      let session: Session
      try {
        session = await open(feeds, value)
      } catch (error) {
        if (!(error instanceof StillroomError)) throw error
        reason ??= error.message
        return undefined
      }
      const shape = session.inputs.find((p) => p.name === 'noise')!.shape as number[]
      const noise = new Float32Array(shape.reduce((n, d) => n * d, 1))
      random(o.seed ?? 0, 'importance', value, count++).fillUniform(noise)
      noise.forEach((u, i) => (noise[i] = -Math.log(-Math.log(Math.max(u, 1e-12)))))
      const given = Object.fromEntries(session.inputs.filter((p) => feeds[p.name]).map((p) => [p.name, feeds[p.name]!]))
      const { squared } = await session.run({ ...given, noise: Value.of('float32', shape, noise) })
      const data = Float32Array.from(squared!.data as Float32Array)
      const mean = data.reduce((s, v) => s + v, 0) / data.length
      if (!(mean > 0)) return undefined
      return Value.of('float32', squared!.dims, data.map((v) => v / mean)) // prettier-ignore
    },
    reason: () => reason && `all numbers count the same while blocks are fitted: ${reason}`,
    async release() {
      for (const session of sessions.values()) await session.release()
    },
  }
}
