/** Checks random programs and says which call of one is to blame. */
import { RuntimeError, StillroomError, UnsupportedError } from '../../engine/errors.ts'
import { checkSubject, isMissingKernel, type Check } from '../../engine/inspect/gradcheck/index.ts'
import type { OpRule } from '../../engine/ops/index.ts'
import { random } from '../../engine/random.ts'
import { exampleSubject } from '../ruleExamples.ts'
import { drawable, prefix, randomProgram, type Program } from './program.ts'

export interface ProgramsReport {
  programs: number
  calls: number
  /** Calls by operator. */
  operators: Map<string, number>
  /** Operators that ONNX Runtime has no double kernel for and that nothing replaces: they are in no program. */
  single: string[]
  checked: number
  skipped: number
  failures: Failure[]
}

export interface Failure {
  seed: number
  /** The first call after which the gradient is wrong: a row for the examples of its rule. */
  call: string
  detail: string
}

/** Rules whose examples run in double, and the others. */
export async function doubleRules(): Promise<{ rules: OpRule[]; single: string[] }> {
  const rules: OpRule[] = []
  const single: string[] = []
  for (const rule of drawable()) {
    const example = rule.examples.find((e) => exampleSubject(rule, e, 'float64', 1))
    if (!example) continue
    try {
      const subject = exampleSubject(rule, example, 'float64', 1)!
      if (subject.outputs.some((y) => y.dtype === 'float32')) throw new UnsupportedError('no kernel for double')
      await checkSubject(subject, { seed: 1, order: 1, entries: 1, threads: 1 })
      rules.push(rule)
    } catch (error) {
      if (!isMissingKernel(error) && !(error instanceof RuntimeError)) throw error
      single.push(rule.type)
    }
  }
  return { rules, single }
}

/** Programs `from` to `to` (exclusive) of a seed, of 5 to 40 calls each. */
export async function checkPrograms(
  seed: number,
  from: number,
  to: number,
  onDone?: (done: number) => void,
): Promise<ProgramsReport> {
  const { rules, single } = await doubleRules()
  const report: ProgramsReport = { programs: 0, calls: 0, operators: new Map(), single, checked: 0, skipped: 0, failures: [] }
  for (let n = from; n < to; n++) {
    const own = seed * 1_000_000 + n
    const program = randomProgram(rules, own, 5 + random(own, 'length').int(0, 36))
    report.programs++
    report.calls += program.calls.length
    for (const { op } of program.calls) report.operators.set(op, (report.operators.get(op) ?? 0) + 1)
    const verdict = await check(program, own)
    report.checked += verdict.checked
    report.skipped += verdict.skipped
    if (verdict.wrong) report.failures.push({ seed: own, ...(await blame(program, own, verdict.wrong)) })
    onDone?.(n - from + 1)
  }
  return report
}

interface Verdict {
  checked: number
  skipped: number
  /** What is wrong, undefined for nothing. */
  wrong?: string
}

async function check(subject: Pick<Program, 'b' | 'point' | 'wrt' | 'outputs'>, seed: number): Promise<Verdict> {
  let result: Check
  try {
    result = await checkSubject(subject, { seed, order: 1, entries: 2, threads: 1 })
  } catch (error) {
    if (error instanceof StillroomError) return { checked: 0, skipped: 0, wrong: error.message }
    throw error
  }
  const { tensors, checked, skipped } = result.orders[0]!
  const worst = tensors.reduce((p, q) => (q.relativeError > p.relativeError ? q : p))
  if (worst.relativeError < 1e-3) return { checked, skipped }
  const at = worst.worst!
  return { checked, skipped, wrong: `${worst.name}[${at.entry}]: found ${at.found}, expected ${at.expected}` }
}

/** The shortest wrong prefix, by halving: a wrong gradient of a call stays wrong in all longer programs, or nearly so. */
async function blame(program: Program, seed: number, whole: string): Promise<Omit<Failure, 'seed'>> {
  let [right, wrong, detail] = [0, program.calls.length, whole]
  while (wrong - right > 1) {
    const middle = Math.floor((right + wrong) / 2)
    const verdict = await check(prefix(program, middle), seed)
    if (verdict.wrong) [wrong, detail] = [middle, verdict.wrong]
    else right = middle
  }
  const call = program.calls[wrong - 1]
  return {
    call: call ? `${call.op} (as example ${call.example}) of ${call.inputs.join(', ')} to ${call.outputs.join(', ')}` : '',
    detail,
  }
}
