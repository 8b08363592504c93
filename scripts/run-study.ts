/**
 * `npm run study -- NAME …` and `npm run bench -- NAME …`: measurements that are too long for the tests. A study is `bench/studies/NAME.ts`, a
 * benchmark is `bench/NAME.bench.ts`; each exports `title`, `help` and a default function of the remaining arguments.
 */
import { existsSync, globSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'

/** What a study or benchmark file exports. Its answer is printed: JSON with `--json`, its own text otherwise. */
export interface Study {
  title: string
  /** Arguments and duration, shown when NAME is missing. */
  help: string
  default: (args: readonly string[]) => Promise<StudyResult>
}

export interface StudyResult {
  /** The one JSON document of `--json`. */
  json: unknown
  /** The table for a reader. */
  text: string
  /** A goal that the study checks was missed: exit code 5. */
  missed?: boolean
}

const BENCH = resolve(import.meta.dirname, '..', 'bench')
const KINDS = { study: { folder: join(BENCH, 'studies'), end: '.ts' }, bench: { folder: BENCH, end: '.bench.ts' } } as const

async function list(kind: keyof typeof KINDS): Promise<string> {
  const { folder, end } = KINDS[kind]
  const names = globSync(`*${end}`, { cwd: folder }).sort()
  const lines = [`usage: npm run ${kind} -- NAME [--json] [arguments]`, '']
  for (const file of names) {
    const study = (await import(join(folder, file))) as Study
    lines.push(`  ${basename(file, end).padEnd(20)} ${study.title}`, `  ${''.padEnd(20)} ${study.help}`)
  }
  return `${lines.join('\n')}\n`
}

const [kind, name, ...args] = process.argv.slice(2)
if (kind !== 'study' && kind !== 'bench') throw new Error(`expected study or bench, found ${kind}`)
const file = name && /^[a-z0-9-]+$/.test(name) ? join(KINDS[kind].folder, `${name}${KINDS[kind].end}`) : undefined
if (file === undefined || !existsSync(file)) {
  if (name !== undefined && name !== '--help') process.stderr.write(`there is no ${kind} named '${name}'\n`)
  process.stderr.write(await list(kind))
  process.exitCode = name === '--help' ? 0 : 2
} else {
  const study = (await import(file)) as Study
  const { json, text, missed } = await study.default(args)
  process.stdout.write(args.includes('--json') ? `${JSON.stringify(json)}\n` : `${text}\n`)
  if (missed) process.exitCode = 5
}
