import { spawnSync } from 'node:child_process'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { modelsOf } from '../models.ts'

export const title = 'Gradients of every model at hand against central differences, through `gradcheck`'
export const help =
  '--models FOLDER|FILE,… --only NAME,… --order 1 --wrt parameters --entries 12 --threads N; 20 minutes at order 1'

const BIN = join(import.meta.dirname, '..', '..', 'cli', 'main.ts')

interface Answer {
  error?: { message: string }
  passed: boolean
  dtype: string
  seed: number
  maxRelativeError: number
  skippedShare: number
  checked: number
  vacuous: number
  inputs: Record<string, number[]>
  tensors: unknown[]
}

/** Each model in a process of its own, one after the other. Refused ones are told apart from wrong ones. */
export default function study(argv: readonly string[]) {
  const { values: args } = parseArgs({
    args: [...argv],
    options: {
      models: { type: 'string' },
      only: { type: 'string' },
      order: { type: 'string' },
      wrt: { type: 'string' },
      entries: { type: 'string' },
      threads: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const files = modelsOf(args.models, args.only)
  if (!files.length) return Promise.resolve({ text: 'no models are at hand', json: { skipped: true } })
  const head = ['model', 'inputs', 'precision', 'tensors', 'vanish', 'entries', 'at kinks', 'largest error', 'seconds', 'result']
  const lines = [`| ${head.join(' | ')} |`, `| ${head.map(() => '---').join(' | ')} |`]
  const rows: Record<string, unknown>[] = []
  for (const file of files) {
    process.stderr.write(`${basename(file)}\n`)
    const started = performance.now()
    const threads = args.threads === undefined ? [] : ['--threads', args.threads]
    const options = [
      '--order',
      args.order ?? '1',
      '--wrt',
      args.wrt ?? 'parameters',
      '--entries',
      args.entries ?? '12',
      '--json',
      '--quiet',
      ...threads,
    ]
    const { stdout } = spawnSync(process.execPath, [BIN, 'gradcheck', file, ...options], { encoding: 'utf8', maxBuffer: 2 ** 28 })
    const seconds = (performance.now() - started) / 1000
    const found = read(stdout)
    rows.push({ model: basename(file), seconds, ...found })
    lines.push(`| ${[basename(file), ...cells(found, seconds)].join(' | ')} |`)
  }
  const missed = rows.some((r) => r['passed'] === false)
  return Promise.resolve({ text: lines.join('\n'), json: rows, missed })
}

function read(stdout: string): Answer | { error: { message: string } } {
  try {
    return JSON.parse(stdout) as Answer
  } catch {
    return { error: { message: 'it ended without an answer' } }
  }
}

function cells(found: ReturnType<typeof read>, seconds: number): string[] {
  if (!('passed' in found)) return [...Array<string>(7).fill(''), seconds.toFixed(0), found.error.message.split('\n')[0]!]
  const { inputs, dtype, tensors, vacuous, checked, skippedShare, maxRelativeError, passed } = found
  return [
    Object.values(inputs)
      .map((dims) => `[${dims.join()}]`)
      .join(' '),
    dtype,
    String(tensors.length),
    String(vacuous),
    String(checked),
    `${(100 * skippedShare).toFixed(1)} %`,
    maxRelativeError.toExponential(1),
    seconds.toFixed(0),
    passed ? 'passed' : 'FAILED',
  ]
}
