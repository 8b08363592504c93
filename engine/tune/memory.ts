import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname } from 'node:path'
import type { Plan, Question } from '../passes/index.ts'
import { physicalCores, runtimeVersion } from '../session/index.ts'
import { planOf, tune, type Answer } from './tune.ts'

/** What was measured on one processor with a number of threads and a version of ONNX Runtime. */
export interface Measured {
  cpu: string
  threads: number
  onnxruntime: string
  answers: Record<string, Answer>
}

/** Finds the plan for what a training asks. */
export type Tuner = (questions: readonly Question[]) => Promise<Plan>

interface File {
  version: 1
  machines: Measured[]
}

/** Everything that a file remembers; nothing where there is none, or none that can be read: it is measured again then. */
export function readMeasured(path: string): Measured[] {
  try {
    const file = JSON.parse(readFileSync(path, 'utf8')) as File
    return file.version === 1 && Array.isArray(file.machines) ? file.machines : []
  } catch {
    return []
  }
}

/**
 * A tuner that times what the file does not know yet for this processor, number of threads and version, and remembers it there.
 * @param tell is told before the timing starts, with the number of operators
 */
export function makeTuner(path: string, threads = physicalCores(), tell?: (count: number) => void): Tuner {
  const here = { cpu: cpus()[0]?.model.trim() || 'unknown', threads, onnxruntime: runtimeVersion() }
  const same = (m: Measured) => m.cpu === here.cpu && m.threads === here.threads && m.onnxruntime === here.onnxruntime
  return async (questions) => {
    const known = readMeasured(path).find(same)?.answers ?? {}
    // Forms may have come and gone since.
    const answered = questions.filter((q) => q.forms[known[q.key]?.form ?? ''])
    const open = questions.filter((q) => !answered.includes(q))
    if (open.length) tell?.(open.length)
    const found = await tune(open, threads)
    if (found.size) remember(path, { ...here, answers: Object.fromEntries(found) }, same)
    return { ...Object.fromEntries(answered.map((q) => [q.key, known[q.key]!.form])), ...planOf(found) }
  }
}

/** Adds to what the file holds by now. Where it cannot be written the next training measures again. */
function remember(path: string, more: Measured, same: (m: Measured) => boolean): void {
  const all = readMeasured(path)
  const own = all.find(same)
  const merged = { ...more, answers: { ...own?.answers, ...more.answers } }
  const file: File = { version: 1, machines: [...all.filter((m) => m !== own), merged] }
  try {
    mkdirSync(dirname(path), { recursive: true })
    const temporary = `${path}.${process.pid}.tmp`
    writeFileSync(temporary, `${JSON.stringify(file, null, 1)}\n`)
    renameSync(temporary, path)
  } catch {
    // A full or read-only disk: tuning is a convenience.
  }
}
