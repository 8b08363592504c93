import type { Form, Outcome, Probed } from './operators.ts'

/** A line of the worker. */
export type Line = Probed | { begin: number; operator: string }

const FORMS: readonly Form[] = ['plain', 'lowered', 'gradient']

const show = (outcome: Outcome): string =>
  outcome.kind === 'cpu'
    ? `CPU: ${outcome.operators.join(' ')}`
    : outcome.kind === 'wrong'
      ? `wrong by ${outcome.error.toExponential(1)}`
      : outcome.kind === 'fails'
        ? `fails: ${outcome.message.slice(0, 90)}`
        : 'right'

/** The answer of `study webgpu --operators`: counts, and every example that is not right on the device. A wrong lowered one is a miss. */
export function operatorTable(device: string, lines: readonly Line[]) {
  const probed = lines.filter((line): line is Probed => 'results' in line)
  const of = (form: Form) => probed.flatMap((p) => p.results[form] ?? [])
  const count = (form: Form, kind: Outcome['kind']) => of(form).filter((r) => r.kind === kind).length
  const rows = FORMS.map((form) => {
    const [right, cpu, wrong, fails] = (['right', 'cpu', 'wrong', 'fails'] as const).map((kind) => count(form, kind))
    return `${form.padEnd(9)} ${right} right on the device, ${cpu} with operators on the CPU, ${wrong} wrong, ${fails} failing`
  })
  const notes = FORMS.flatMap((form) =>
    probed.flatMap(({ operator, example, results }) => {
      const outcome = results[form]
      return outcome && outcome.kind !== 'right' ? [`  ${form} ${operator} #${example}: ${show(outcome)}`] : []
    }),
  )
  const missed = probed.some(({ results }) => results.lowered?.kind === 'wrong' || results.gradient?.kind === 'wrong')
  return { json: { device, examples: probed }, text: [`device: ${device}`, ...rows, ...notes].join('\n'), missed }
}
