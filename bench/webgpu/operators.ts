import { gradientsOrNone } from '../../engine/autodiff/index.ts'
import type { Model } from '../../engine/ir/index.ts'
import type { Tensor } from '../../engine/ops/index.ts'
import { ruleBook } from '../../engine/ops/index.ts'
import { lower } from '../../engine/passes/index.ts'
import { createSession, fallbacksIn, Value } from '../../engine/session/index.ts'
import { exampleSubject } from '../../tests/ruleExamples.ts'

/** What WebGPU made of an example of an operator: its forward pass as it stands, lowered, and its lowered gradient. */
export interface Probed {
  index: number
  operator: string
  example: number
  results: Partial<Record<Form, Outcome>>
}

export type Form = 'plain' | 'lowered' | 'gradient'
export type Outcome =
  { kind: 'right' } | { kind: 'cpu'; operators: string[] } | { kind: 'wrong'; error: number } | { kind: 'fails'; message: string }

/** Above this the values differ by more than rounding, relative to 1 + their size. */
const TOLERANCE = 1e-3

/** The last opset at which the provider has kernels throughout: plain examples are given every chance. */
const PLAIN_OPSET = 21

/** Runs the examples from index `from` on; `begin` is told first, so that a reader knows which one ended the process. */
export async function probeOperators(
  from: number,
  write: (line: Probed | { begin: number; operator: string }) => void,
): Promise<void> {
  let index = -1
  for (const rule of ruleBook.rules) {
    if (rule.domain !== undefined && rule.domain !== '' && rule.domain !== 'com.microsoft') continue
    for (const [example, given] of rule.examples.entries()) {
      index++
      const subject = index < from ? undefined : exampleSubject(rule, given, 'float32', 1)
      if (!subject) continue
      const operator = rule.domain ? `${rule.domain}.${rule.type}` : rule.type
      write({ begin: index, operator })
      const { b, outputs, wrt } = subject
      const feeds = Object.fromEntries([...subject.point].map(([name, data]) => [name, Value.fromTensor(data)]))
      const model = (list: readonly Tensor[], provider: 'cpu' | 'webgpu'): Model => {
        const lowered = lower(b, list, { provider, block: 1 })
        return lowered.b.model(named(list.map(lowered.at)))
      }
      const results: Probed['results'] = {}
      try {
        const plain = b.model(named(outputs))
        results.lowered = await judge(model(outputs, 'webgpu'), plain, feeds)
        const opsets = new Map([...plain.opsets].map(([domain, v]) => [domain, domain === '' ? Math.min(v, PLAIN_OPSET) : v]))
        results.plain = await judge({ ...plain, opsets }, plain, feeds)
        const floats = outputs.filter((t) => t.dtype === 'float32')
        const loss = floats.map((t) => t.mul(t).add(t).sum()).reduce((sum, t) => sum.add(t))
        const gradients = gradientsOrNone(loss, wrt).filter((t) => t !== undefined)
        if (gradients.length) results.gradient = await judge(model(gradients, 'webgpu'), model(gradients, 'cpu'), feeds)
      } catch {
        // No kernel on the CPU either, or no gradient: nothing to compare with.
      }
      write({ index, operator, example, results })
    }
  }
}

const named = (list: readonly Tensor[]): Record<string, Tensor> => Object.fromEntries(list.map((t, i) => [`y${i}`, t]))

/** Runs `model` on WebGPU and `reference`, unoptimized, on the CPU. Errors: what the reference throws. */
async function judge(model: Model, reference: Model, feeds: Record<string, Value>): Promise<Outcome> {
  const cpu = await createSession(reference, { threads: 1, level: 'disabled' })
  const want = await cpu.run(feeds)
  await cpu.release()
  try {
    const session = await createSession(model, { provider: 'webgpu', threads: 1, profile: true, level: 'basic' })
    const got = await session.run(feeds)
    const fallbacks = fallbacksIn(session.profile(), 'webgpu')
    await session.release()
    const error = Math.max(...Object.keys(want).map((name) => difference(want[name]!.numbers(), got[name]!.numbers())))
    if (!(error <= TOLERANCE)) return { kind: 'wrong', error }
    return fallbacks.length ? { kind: 'cpu', operators: [...new Set(fallbacks.map((f) => f.op))].sort() } : { kind: 'right' }
  } catch (error) {
    return { kind: 'fails', message: error instanceof Error ? error.message : String(error) }
  }
}

function difference(want: ArrayLike<number>, got: ArrayLike<number>): number {
  let worst = 0
  for (let i = 0; i < want.length; i++) {
    const [w, g] = [want[i]!, got[i]!]
    if (w === g || (Number.isNaN(w) && Number.isNaN(g))) continue
    const apart = Math.abs(w - g) / (1 + Math.abs(w))
    worst = Number.isNaN(apart) ? Infinity : Math.max(worst, apart)
  }
  return worst
}
