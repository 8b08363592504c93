/**
 * Runs in a process of its own, in an environment that has a GPU (`device.ts`): `worker.ts probe` answers why WebGPU cannot be used,
 * `worker.ts train STEPS NAME…` one line of JSON for each training, `worker.ts resume` one for a training that is stopped and resumed,
 * `worker.ts operators FROM` one for each example of an operator.
 */
import { whyNot } from '../../engine/session/index.ts'
import { cases } from './cases.ts'
import { compare } from './compare.ts'
import { probeOperators } from './operators.ts'
import { stopAndResume } from './resume.ts'

const write = (value: unknown): boolean => process.stdout.write(`${JSON.stringify(value)}\n`)
const [task, ...args] = process.argv.slice(2)
if (task === 'probe') write({ why: (await whyNot('webgpu')) ?? null })
else if (task === 'train') {
  const [steps, ...names] = args
  for (const c of cases) if (names.includes(c.name)) write(await compare(c, Number(steps)))
} else if (task === 'resume') write(await stopAndResume())
else if (task === 'operators') await probeOperators(Number(args[0]), write)
