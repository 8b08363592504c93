import type { Tensor } from '../ops/index.ts'

/** One operator at given shapes that can be written in several ways with the same value. Which is fastest depends on the machine. */
export interface Question {
  /** Operator, shapes and attributes. */
  key: string
  /** Shapes of the inputs, float32. */
  inputs: readonly (readonly number[])[]
  /** The ways by name; the first is taken where nothing was measured. They emit what needs no lowering. */
  forms: Readonly<Record<string, (...inputs: Tensor[]) => Tensor>>
}

/** The form of each question that was answered, by key. */
export type Plan = Readonly<Record<string, string>>

/** The form that the plan says, written; undefined for the first, which stands as it is. Passes the question on to whoever collects them. */
export function chosenForm(
  { plan, ask }: { plan?: Plan | undefined; ask?: ((q: Question) => void) | undefined },
  question: Question,
  inputs: Tensor[],
): Tensor[] | undefined {
  ask?.(question)
  const name = plan?.[question.key]
  const form = name === undefined || name === Object.keys(question.forms)[0] ? undefined : question.forms[name]
  return form && [form(...inputs)]
}
