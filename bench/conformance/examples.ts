/** The examples inside a rule, differentiated: what stands in the table for operators that the standard has no test of. */
import { checkInBestPrecision, SKIPPED_AT_MOST, TOLERANCE, type OrderCheck } from '../../engine/inspect/gradcheck/index.ts'
import type { OpRule } from '../../engine/ops/index.ts'
import { exampleSubject } from '../../tests/ruleExamples.ts'
import type { JudgeOptions, Verdict } from './judge.ts'

export interface ExampleJudgement {
  name: string
  rule: string
  examples: number
  first: Verdict
  second: Verdict
  checked: number
  skipped: number
}

/** `domain.Op-since`, the domain left out for ai.onnx. */
export const ruleKey = (rule: OpRule): string => `${rule.domain ? `${rule.domain}.` : ''}${rule.type}-${rule.since}`

const NOTHING = { state: 'none' } as const

/** Every example of a rule that has a gradient or is constant; the worst verdict stands. */
export async function judgeExamples(rule: OpRule, o: JudgeOptions): Promise<ExampleJudgement> {
  const key = ruleKey(rule)
  const out: ExampleJudgement = { name: key, rule: key, examples: 0, first: NOTHING, second: NOTHING, checked: 0, skipped: 0 }
  if (typeof rule.grad === 'object' || rule.random) return out
  for (const [k, example] of rule.examples.entries()) {
    try {
      if (!exampleSubject(rule, example, 'float64', o.seed + k)) continue
      const make = (dtype: 'float32' | 'float64') => exampleSubject(rule, example, dtype, o.seed + k)!
      const { orders, seed, dtype } = await checkInBestPrecision(make, {
        seed: o.seed + k,
        order: 2,
        entries: o.entries,
        threads: 1,
      })
      out.examples++
      for (const c of orders) {
        const slot = c.order === 1 ? 'first' : 'second'
        out.checked += c.checked
        out.skipped += c.skipped
        if (!(c.maxRelativeError < TOLERANCE))
          out[slot] = { state: 'fails', detail: `example ${k}: ${told(c)} (seed ${seed}, ${dtype})` }
        else if (out[slot].state === 'none') out[slot] = { state: 'passes' }
      }
    } catch (error) {
      const detail = `example ${k}: ${error instanceof Error ? error.message : String(error)}`
      return { ...out, first: { state: 'fails', detail }, second: { state: 'fails', detail } }
    }
  }
  // A kink or two in an example of few entries is no fault, many are.
  if (out.skipped > SKIPPED_AT_MOST * (out.checked + out.skipped)) {
    const detail = `${out.skipped} of ${out.checked + out.skipped} entries at kinks`
    return { ...out, first: { state: 'fails', detail }, second: { state: 'fails', detail } }
  }
  return out
}

/** What is wrong with a check, in one line. */
export function told(c: OrderCheck): string {
  const worst = c.tensors.reduce((p, q) => (q.relativeError > p.relativeError ? q : p))
  const at = worst.worst
  const where = at ? `${worst.name}[${at.entry}]: found ${at.found}, expected ${at.expected}; ` : ''
  return `${where}${c.skipped} of ${c.skipped + c.checked} at kinks`
}
