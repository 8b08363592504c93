/** Random programs of 5 to 40 operators: gradients against central differences. */
import { parseArgs } from 'node:util'
import { checkPrograms } from '../../tests/properties/checkPrograms.ts'

export const title = 'Random programs of 5 to 40 operators: gradients against central differences'
export const help = '--programs 2000 --from 0 --seed 1; about 10 minutes'

export default async function study(argv: readonly string[]) {
  const { values: args } = parseArgs({
    args: [...argv],
    options: { programs: { type: 'string' }, from: { type: 'string' }, seed: { type: 'string' }, json: { type: 'boolean' } },
  })
  const from = Number(args.from ?? 0)
  const count = Number(args.programs ?? 2000)
  const seed = Number(args.seed ?? 1)
  const report = await checkPrograms(seed, from, from + count, (done) => {
    if (done % 50 === 0) process.stderr.write(`${done} of ${count}\n`)
  })
  const { programs, calls, operators, single, checked, skipped, failures } = report
  const text = [
    `seed ${seed}: ${programs} programs, ${calls} calls of ${operators.size} operators; ${checked} entries compared, ${skipped} at kinks`,
    `in no program, as ONNX Runtime has no double kernel: ${single.join(' ') || 'none'}`,
    `failures: ${failures.length}`,
    ...failures.map((f) => `  seed ${f.seed}: ${f.call}: ${f.detail}`),
  ].join('\n')
  const json = { ...report, operators: Object.fromEntries([...operators].sort()) }
  return { json, text, missed: failures.length > 0 || skipped > 0.05 * (checked + skipped) }
}
