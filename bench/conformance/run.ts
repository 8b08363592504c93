/** Judges tests in child processes, so that a native crash costs one test and not the run. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExampleJudgement } from './examples.ts'
import type { Judgement } from './judge.ts'
import type { Job } from './worker.ts'

export type Row = Judgement | ExampleJudgement

export const isExample = (row: Row): row is ExampleJudgement => 'rule' in row

/** Rows of a results file (one JSON object a line); the last one of a name counts. */
export function readRows(file: string): Map<string, Row> {
  const rows = new Map<string, Row>()
  if (!existsSync(file)) return rows
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (!line.endsWith('}')) continue
    const row = JSON.parse(line) as Row
    rows.set(row.name, row)
  }
  return rows
}

/** Runs `jobs` processes over the names, interleaved. `onDone` is told how many are judged. Returns a row for each name. */
export async function runJobs(job: Job, jobs: number, onDone: (done: number, total: number) => void): Promise<Map<string, Row>> {
  const folder = mkdtempSync(join(tmpdir(), 'stillroom-conformance-'))
  const shares = Array.from({ length: jobs }, (_, k) => job.names.filter((_, i) => i % jobs === k))
  const files = shares.map((_, k) => join(folder, `${k}.jsonl`))
  const count = () => files.reduce((n, file) => n + readRows(file).size, 0)
  const timer = setInterval(() => onDone(count(), job.names.length), 5000)
  try {
    await Promise.all(shares.map((names, k) => share({ ...job, names }, files[k]!, join(folder, `${k}.json`))))
    return new Map(files.flatMap((file) => [...readRows(file)]))
  } finally {
    clearInterval(timer)
    rmSync(folder, { recursive: true, force: true })
  }
}

/** One share; after a crash the test at fault is written down and the others go on. */
async function share(job: Job, results: string, list: string): Promise<void> {
  let left = job.names
  while (left.length > 0) {
    writeFileSync(list, JSON.stringify({ ...job, names: left }))
    const { code, error } = await worker(list, results)
    const done = readRows(results)
    left = left.filter((name) => !done.has(name))
    const [guilty, ...rest] = left
    if (guilty === undefined) return
    const crash = { state: 'fails', detail: `the process ended with ${code}: ${error}` } as const
    const row = { name: guilty, op: 'none', expanded: false, operators: [], lossless: false, invalid: [], refused: undefined }
    writeFileSync(
      results,
      `${JSON.stringify({ ...row, without: [], inference: crash, values: {}, first: crash, second: crash })}\n`,
      {
        flag: 'a',
      },
    )
    left = rest
  }
}

function worker(list: string, results: string): Promise<{ code: number | string; error: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'worker.ts'), list, results], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let error = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (error = (error + text).slice(-4000)))
  return new Promise((resolve) => {
    child.on('exit', (code, signal) => resolve({ code: code ?? signal ?? 'no code', error: firstError(error) }))
  })
}

const firstError = (text: string): string => /^\w*Error.*$/m.exec(text)?.[0] ?? text.trim().split('\n').at(-1) ?? ''
