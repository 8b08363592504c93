import type { Plan, Question } from '../passes/index.ts'
import type { Tuner } from '../tune/index.ts'
import { compileStep, type Program, type StepSpec } from './program.ts'

/**
 * Compiles a step in the forms of `plan`; where the tuner is given, it first answers what the plan leaves open. Returns the plan with these answers:
 * the same plan gives the same step.
 */
export async function compileTuned(spec: StepSpec, plan: Plan, tuner?: Tuner): Promise<{ program: Program; plan: Plan }> {
  const asked = new Map<string, Question>()
  const compiled = (forms: Plan) =>
    compileStep({ ...spec, target: { ...spec.target, plan: forms, ask: (q) => void asked.set(q.key, q) } })
  const program = compiled(plan)
  const open = [...asked.values()].filter((q) => plan[q.key] === undefined)
  if (!tuner || !open.length) return { program, plan }
  const whole = { ...plan, ...(await tuner(open)) }
  const usual = open.every((q) => whole[q.key] === Object.keys(q.forms)[0])
  return { program: usual ? program : compiled(whole), plan: whole }
}
