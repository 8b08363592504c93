import { parseArgs } from 'node:util'
import { mkdtempSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { boundsOf, type Bound } from '../quantization/bounds.ts'
import { studyModels, type StudyModel } from '../quantization/models.ts'
import { keepRow, knownRow, makeRow, measured, type Interval, type Row, type RowOptions } from '../quantization/row.ts'
import { HOSTILE_SCHEMES, SCHEMES } from '../quantization/schemes.ts'

export const title = 'Every number format on five real models and two constructed ones: accuracy, bytes, latency, bounds'
export const help =
  '--cache FOLDER (models and rows are kept there, and not made twice) --models a,b --only int8;fp16 --known (prints what the cache holds) --latency on|off|only --repeats N --samples N --threads N'

const percent = ({ value, ci95 }: Interval): string =>
  `${(100 * value).toFixed(2)}${ci95 ? ` [${(100 * ci95[0]).toFixed(1)}, ${(100 * ci95[1]).toFixed(1)}]` : ''}`

/** Each model in each format, judged on the test share of its data, its latency measured in turn with the float model's. */
export default async function study(argv: readonly string[]) {
  const { values: args } = parseArgs({
    args: [...argv],
    options: {
      cache: { type: 'string' },
      models: { type: 'string' },
      only: { type: 'string' },
      latency: { type: 'string' },
      repeats: { type: 'string' },
      samples: { type: 'string' },
      threads: { type: 'string' },
      known: { type: 'boolean' },
      json: { type: 'boolean' },
    },
  })
  const cache = args.cache ?? mkdtempSync(join(tmpdir(), 'stillroom-quantization-'))
  const threads = args.threads ? Number(args.threads) : undefined
  const o: RowOptions = { cache, threads, samples: Number(args.samples ?? 128) }
  const models = await studyModels(cache, args.models?.split(','), threads, args.known)
  if (!models.length) return { text: 'no model and data are at hand', json: { skipped: true } }
  const wanted = args.only?.split(';')
  const rows: Row[] = []
  for (const model of models)
    for (const scheme of (HOSTILE_SCHEMES[model.name] ?? SCHEMES).filter((s) => !wanted || wanted.includes(s.name))) {
      let row = knownRow(o, model, scheme)
      if (!row && (args.known || args.latency === 'only')) continue
      const started = performance.now()
      try {
        row ??= await makeRow(o, model, scheme)
        if (!row.ratio && !args.known && args.latency !== 'off') row = await measured(o, model, row, Number(args.repeats ?? 100))
      } catch (error) {
        process.stderr.write(`${model.name}, ${scheme.name}: ${(error as Error).message}\n`)
        continue
      }
      keepRow(o, model, scheme, row)
      rows.push(row)
      process.stderr.write(`${model.name}, ${scheme.name}: ${percent(row.quantized)} after ${((performance.now() - started) / 1000).toFixed(0)} s\n`) // prettier-ignore
    }
  const bounds = boundsOf(models, rows)
  return {
    text: [...table(models, rows), '', ...verdicts(bounds)].join('\n'),
    json: { rows, bounds },
    missed: bounds.some((b) => !b.passed),
  }
}

function table(models: readonly StudyModel[], rows: readonly Row[]): string[] {
  const lines = [
    '| model | format | top-1, % [95 %] | as float, % | as simulated, % | KiB | float time / time [95 %] |',
    '| --- | --- | --- | --- | --- | --- | --- |',
  ]
  for (const { name, file } of models) {
    const own = rows.filter((r) => r.model === name)
    if (!own.length) continue
    lines.push(`| ${name} | float | ${percent(own[0]!.float)} | 100 | - | ${(statSync(file).size / 1024).toFixed(0)} | 1 |`)
    for (const { scheme, quantized, agreement, simulated, bytes, ratio } of own) {
      const speed = ratio ? `${ratio.median.toFixed(2)} [${ratio.ci95[0].toFixed(2)}, ${ratio.ci95[1].toFixed(2)}]` : '-'
      const same = simulated === undefined ? '-' : (100 * simulated).toFixed(2)
      lines.push(
        `| | ${scheme} | ${percent(quantized)} | ${(100 * agreement).toFixed(2)} | ${same} | ${(bytes / 1024).toFixed(0)} | ${speed} |`,
      )
    }
  }
  return lines
}

const verdicts = (bounds: readonly Bound[]): string[] => [
  '| bound | found | |',
  '| --- | --- | --- |',
  ...bounds.map((b) => `| ${b.text} | ${b.found} | ${b.passed ? 'pass' : 'FAIL'} |`),
]
