import { newBuilder } from '../ops/index.ts'
import type { Plan, Question } from '../passes/index.ts'
import { random } from '../random.ts'
import { createSession, Value, type Session } from '../session/index.ts'

/** What was measured about one question. */
export interface Answer {
  /** The form to take. */
  form: string
  /** Best time of each form, ms. */
  ms: Readonly<Record<string, number>>
}

/** Time that one form may take in all, ms, and the calls that are made in any case. */
const BUDGET = { ms: 60, calls: 6 }
/** A form replaces the first one only if it is this much faster: less may be chance. */
const MARGIN = 0.04

/**
 * Times all forms of each question in turn, so that slow moments of the machine hit all of them, and takes the one with the best time.
 * @param threads threads of the training that asks; its own sessions must not be running meanwhile
 */
export async function tune(questions: readonly Question[], threads: number | undefined): Promise<Map<string, Answer>> {
  const out = new Map<string, Answer>()
  for (const question of questions) out.set(question.key, await answer(question, threads))
  return out
}

export const planOf = (answers: ReadonlyMap<string, Answer>): Plan =>
  Object.fromEntries([...answers].map(([key, { form }]) => [key, form]))

async function answer(q: Question, threads: number | undefined): Promise<Answer> {
  const feeds = Object.fromEntries(
    q.inputs.map((dims, i) => {
      const data = new Float32Array(dims.reduce((n, d) => n * d, 1))
      return [`x${i}`, Value.of('float32', dims, random(1, q.key, i).fillUniform(data, -1, 1))]
    }),
  )
  const runners: { name: string; session: Session; best: number }[] = []
  try {
    for (const [name, form] of Object.entries(q.forms)) {
      const b = newBuilder()
      const inputs = q.inputs.map((dims, i) => b.input(`x${i}`, 'float32', dims))
      const session = await createSession(b.model({ y: form(...inputs) }), { threads, name: q.key })
      runners.push({ name, session, best: Infinity })
    }
    const started = performance.now()
    for (let call = 0; call < BUDGET.calls || performance.now() - started < BUDGET.ms * runners.length; call++)
      for (const runner of runners) {
        const from = performance.now()
        const { y } = await runner.session.run(feeds)
        // The first call sets up memory.
        if (call > 0) runner.best = Math.min(runner.best, performance.now() - from)
        y!.dispose()
      }
  } finally {
    for (const { session } of runners) await session.release()
  }
  const [first] = runners
  const fastest = runners.reduce((p, r) => (r.best < p.best ? r : p))
  const ms = Object.fromEntries(runners.map((r) => [r.name, r.best]))
  return { form: fastest.best < (1 - MARGIN) * first!.best ? fastest.name : first!.name, ms }
}
