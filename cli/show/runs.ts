import type { CommandOutput } from '../../engine/commands/index.ts'
import { bytes, count, facts, number, plain, table } from '../table.ts'

const when = (iso: string | null): string => (iso === null ? '-' : iso.replace('T', ' ').slice(0, 19))
const step = (checkpointStep: number | null): string => (checkpointStep === null ? '-' : String(checkpointStep))

export function list({ runs }: CommandOutput<'runs.list'>): string {
  if (runs.length === 0) return 'no runs'
  return table(
    ['run', 'verb', 'status', 'created (UTC)', 'checkpoint', 'results'],
    runs.map((run) => [run.id, run.kind, run.status, when(run.created), step(run.checkpointStep), run.out ?? '']),
  )
}

export function show(run: CommandOutput<'runs.show'>): string {
  const error = run.error as { code: string; message: string } | null
  const metrics = Object.entries(run.metrics).flatMap(([split, values]) =>
    Object.entries(values).map(([name, value]) => [split, name, number(value)]),
  )
  return [
    facts([
      ['run', `${run.id} (${run.kind})`],
      ['status', run.status + (error ? `: ${error.message}` : '')],
      ['created', when(run.created)],
      ['ended', when(run.ended)],
      ['seed', run.seed],
      ['engine', run.engineVersion],
      ['checkpoint', step(run.checkpointStep)],
      ['folder', run.folder],
      ['results', run.out],
    ]),
    ...(metrics.length > 0 ? [table(['split', 'metric', 'last'], metrics)] : []),
    ...(run.artifacts.length > 0
      ? [
          table(
            ['kind', 'file', 'size', 'SHA-256'],
            run.artifacts.map((file) => [file.kind, file.path, bytes(file.bytes), file.sha256.slice(0, 12)]),
          ),
        ]
      : []),
    `recipe ${plain(JSON.stringify(run.resolved ?? run.recipe))}`,
  ].join('\n\n')
}

export function compare({ runs, differences, results }: CommandOutput<'runs.compare'>): string {
  const head = ['', ...runs.map((run) => run.id)]
  const text = (value: unknown): string => (value === null ? '-' : typeof value === 'string' ? value : JSON.stringify(value))
  return [
    table(head, [
      ['status', ...runs.map((run) => run.status)],
      ...differences.map(({ field, values }) => [field, ...values.map(text)]),
    ]),
    table(
      head,
      Object.entries(results).map(([name, values]) => [name, ...values.map((value) => (value === null ? '-' : number(value)))]),
    ),
  ].join('\n\n')
}

export const exported = ({ run, file, ...rest }: CommandOutput<'runs.export'>): string =>
  file === undefined ? JSON.stringify({ run, ...rest }, null, 2) : plain(`run ${run} written to ${file}`)

export const deleted = ({ run }: CommandOutput<'runs.delete'>): string => `run ${run} deleted`

/** Length and last value of every curve; `--json` has the points. */
export function curves({ curves }: CommandOutput<'runs.curves'>): string {
  if (curves.length === 0) return 'no curves'
  const rows = curves.map(({ split, name, total, steps, values }) => [
    split,
    name,
    count(total),
    `${values.at(-1) ?? 'not a number'} at step ${steps.at(-1)}`,
  ])
  return table(['split', 'curve', 'points', 'last'], rows)
}

export const log = ({ lines }: CommandOutput<'runs.log'>): string =>
  lines
    .map(({ at, level, text }) => plain(`${at.slice(0, 19).replace('T', ' ')} ${level === 'info' ? '' : `${level}: `}${text}`))
    .join('\n') || 'no messages'

export const labelled = ({ id, name, tags, note }: CommandOutput<'runs.label'>): string =>
  facts([
    ['run', id],
    ['name', name || undefined],
    ['tags', tags.join(', ') || undefined],
    ['note', note || undefined],
  ])

export const rated = ({ run, lr, running }: CommandOutput<'runs.rate'>): string =>
  `run ${run}: peak learning rate ${lr} ${running ? 'from the next step on' : 'once the run is resumed'}`
