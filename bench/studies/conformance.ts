/** Every node test of the ONNX standard: read, written, inferred, computed, differentiated twice. Writes docs/OPERATORS.md. */
import { appendFileSync, existsSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { format, resolveConfig } from 'prettier'
import { PROVIDERS, type Provider } from '../../engine/session/index.ts'
import { ruleKey } from '../conformance/examples.ts'
import type { Judgement } from '../conformance/judge.ts'
import { KNOWN } from '../conformance/known.ts'
import { nodeTestFolder, nodeTestNames, readNodeTest, subjectOf } from '../conformance/nodeTest.ts'
import { isExample, readRows, runJobs, type Row } from '../conformance/run.ts'
import { listedRules, nameOf, page, tabulate } from '../conformance/table.ts'

export const title = "The standard's node tests: inference, values, gradients of both orders"
export const help =
  '--only Op1,Op2 --sample N (every Nth test) --jobs 2 --entries 6 --seed 1 --providers cpu,webgpu --results FILE (kept between runs); 2 minutes'

const PAGE = resolve(import.meta.dirname, '..', '..', 'docs', 'OPERATORS.md')

export default async function study(argv: readonly string[]) {
  const { values: args } = parseArgs({
    args: [...argv],
    options: {
      only: { type: 'string' },
      sample: { type: 'string' },
      jobs: { type: 'string' },
      entries: { type: 'string' },
      seed: { type: 'string' },
      providers: { type: 'string' },
      results: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const folder = nodeTestFolder()
  if (!folder) return { text: 'the node tests are absent', json: { skipped: true } }
  const all = nodeTestNames(folder)
  const providers = (args.providers?.split(',') ?? ['cpu']).filter((p): p is Provider =>
    (PROVIDERS as readonly string[]).includes(p),
  )
  const only = args.only?.split(',')
  const about = (name: string) => subjectOf(folder, name, readNodeTest(folder, name).model).op
  const tests = only ? all.filter((name) => only.includes(about(name))) : all
  const rules = listedRules().filter((rule) => !only || only.includes(nameOf(rule)))
  const nth = Number(args.sample ?? 1)
  const names = [...tests, ...rules.map((rule) => `rule:${ruleKey(rule)}`)].filter((_, i) => i % nth === 0)
  const options = { seed: Number(args.seed ?? 1), entries: Number(args.entries ?? 6), providers }
  const file = args.results ?? join(tmpdir(), 'stillroom-conformance.jsonl')
  const whole = !only && nth === 1
  if (whole && existsSync(file)) rmSync(file)
  const found = await runJobs({ folder, names, options }, Number(args.jobs ?? 2), (done, total) =>
    process.stderr.write(`${done} of ${total}\n`),
  )
  for (const row of found.values()) appendFileSync(file, `${JSON.stringify(row)}\n`)
  const rows = [...readRows(file).values()]
  const complete = all.every((name) => rows.some((row) => row.name === name))
  if (complete) {
    const config = await resolveConfig(PAGE)
    writeFileSync(PAGE, await format(page(rows, providers), { ...config, parser: 'markdown' }))
  }
  return report([...found.values()], rows, providers, complete)
}

function report(now: readonly Row[], rows: readonly Row[], providers: readonly string[], complete: boolean) {
  const tests = rows.filter((row): row is Judgement => !isExample(row))
  const loaded = tests.filter((t) => t.refused === undefined)
  const judged = loaded.filter((t) => !(t.name in KNOWN))
  const table = tabulate(rows, providers)
  const of = (key: 'inference' | 'first' | 'second') => {
    const list = judged.filter((t) => t[key].state !== 'none')
    return { passes: list.filter((t) => t[key].state === 'passes').length, of: list.length }
  }
  const whole = (key: 'inference' | 'first' | 'second') =>
    table.filter((r) => r.since && r[key].of > 0 && r[key].passes === r[key].of).length
  const json = {
    complete,
    tests: tests.length,
    lossless: tests.filter((t) => t.lossless).length,
    loaded: loaded.length,
    loadedButInvalid: loaded.filter((t) => t.invalid.length > 0).length,
    inference: { ...of('inference'), operators: whole('inference') },
    first: { ...of('first'), operators: whole('first') },
    second: { ...of('second'), operators: whole('second') },
    values: Object.fromEntries(
      providers.map((p) => {
        const list = judged.flatMap((t) => t.values[p] ?? []).filter((v) => v.state !== 'none')
        return [p, { passes: list.filter((v) => v.state === 'passes').length, of: list.length }]
      }),
    ),
    entries: { checked: table.reduce((n, r) => n + r.checked, 0), skipped: table.reduce((n, r) => n + r.skipped, 0) },
    atKinks: table.filter((r) => r.skipped > 0.05 * (r.checked + r.skipped)).map((r) => r.op),
    failures: now.flatMap(failuresOf),
  }
  const noGradient = table.filter((r) => r.since && r.none && r.none !== 'constant')
  const text = [
    `${json.lossless} of ${json.tests} read and written losslessly, ${json.loaded} loaded by ONNX Runtime (${json.loadedButInvalid} of these invalid to us)`,
    `inference: ${json.inference.passes} of ${json.inference.of} tests, all of ${json.inference.operators} operators`,
    ...Object.entries(json.values).map(([p, v]) => `values on ${p}: ${v.passes} of ${v.of} tests`),
    `first order: ${json.first.passes} of ${json.first.of} tests, all of ${json.first.operators} operators`,
    `second order: ${json.second.passes} of ${json.second.of} tests, all of ${json.second.operators} operators`,
    `entries compared: ${json.entries.checked}, at kinks: ${json.entries.skipped}; operators above 5 %: ${json.atKinks.join(', ') || 'none'}`,
    '',
    `without a gradient (${noGradient.length}):`,
    ...noGradient.map((r) => `  ${r.op}: ${r.none}`),
    '',
    `failures (${json.failures.length}):`,
    ...json.failures.map((f) => `  ${f}`),
    ...(complete ? [] : ['', 'docs/OPERATORS.md is written by a run over all tests']),
  ].join('\n')
  return { json, text, missed: json.failures.length > 0 || (complete && json.lossless < json.tests) }
}

function failuresOf(row: Row): string[] {
  if (row.name in KNOWN) return []
  const verdicts = isExample(row)
    ? { first: row.first, second: row.second }
    : { inference: row.inference, ...row.values, first: row.first, second: row.second }
  const op = isExample(row) ? row.rule : row.op
  const lost = isExample(row) || row.lossless ? [] : [`${op} | ${row.name} | is not written as it was read`]
  return [
    ...lost,
    ...Object.entries(verdicts).flatMap(([what, v]) =>
      v.state === 'fails' ? [`${op} | ${row.name} | ${what} | ${v.detail ?? ''}`] : [],
    ),
  ]
}
