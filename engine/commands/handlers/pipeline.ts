import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CommandName, CommandOutput, FullRecipe } from '../contract/index.ts'
import type { HandlerContext } from './handler.ts'

type Context = HandlerContext<'compress'>
type Metrics = Record<string, { value: number; ci95?: [number, number] | undefined }>

export interface Pipeline {
  recipe: FullRecipe
  out: string
  store: string | undefined
  overwrite: boolean
}

/** Runs a recipe's sections in order, each by its own verb, and says what came of it. Absent sections are not done. */
export async function runPipeline(
  { recipe, out, store, overwrite }: Pipeline,
  ctx: Context,
  before: readonly { name: string; seconds: number }[] = [],
) {
  const stages = [...before]
  const sections = [
    'distill',
    recipe.quantize && 'quantize',
    recipe.evaluate && 'evaluate',
    recipe.evaluate && recipe.quantize && 'evaluate',
    recipe.benchmark && recipe.teacher && 'benchmark',
    recipe.benchmark && recipe.teacher && recipe.quantize && 'benchmark',
    recipe.export && 'export',
  ].filter(Boolean)
  const total = before.length + sections.length
  const common = {
    seed: recipe.seed,
    ...(recipe.threads ? { threads: recipe.threads } : {}),
    provider: recipe.provider,
    ...(store ? { store } : {}),
  }
  const data = { data: recipe.data.path, split: recipe.data.split, labels: recipe.data.labels, preprocess: recipe.data.preprocess }
  const pass = (event: string, payload: unknown) => {
    // The pipeline counts its own stages; the run it reports is that of the student's training, which comes first.
    if (event !== 'stage' && (event !== 'started' || stages.length === before.length))
      ctx.emit(event as 'message', payload as never)
  }
  const stage = async <N extends CommandName>(name: N, input: Parameters<typeof ctx.invoke<N>>[1]): Promise<CommandOutput<N>> => {
    ctx.emit('stage', { name, index: stages.length + 1, of: total })
    const start = performance.now()
    const answer = await ctx.invoke(name, input, { on: pass })
    stages.push({ name, seconds: (performance.now() - start) / 1000 })
    return answer
  }

  const from =
    recipe.student.weights === 'fresh' && recipe.student.from.endsWith('.onnx')
      ? `${recipe.student.from}?init=fresh`
      : recipe.student.from
  const named = recipe.name ? { name: recipe.name } : {}
  const training = { ...data, ...recipe.train, ...common, ...named, student: from, out: join(out, 'student'), overwrite }
  const trained =
    recipe.teacher && recipe.methods.length
      ? await stage('distill', {
          ...training,
          teacher: recipe.teacher,
          method: recipe.methods.map((m) => m.key),
          option: Object.assign(
            {},
            ...recipe.methods.map((m) => Object.fromEntries(Object.entries(m.options).map(([k, v]) => [`${m.key}.${k}`, v]))),
          ),
          pairs: Object.entries(recipe.student.pairs ?? {}).map(([s, t]) => `${s}=${t}`),
        })
      : await stage('train', training as never)
  const best: Record<string, unknown> = {
    model: trained.model,
    metrics: (trained.metrics as Record<string, Metrics>).test ?? {},
    parameters: trained.student.parameters,
    bytes: trained.student.bytes,
    macs: trained.student.macs,
    teacher: trained.teacher,
  }
  const quantized =
    recipe.quantize &&
    (await stage('quantize', {
      ...data,
      ...common,
      ...recipe.quantize,
      model: trained.model,
      out: join(out, 'quantized'),
      overwrite,
    }))
  if (quantized)
    best.quantized = {
      model: quantized.model,
      bytes: quantized.bytes,
      scheme: quantized.scheme,
      metrics: quantized.metrics.quantized,
    }
  if (recipe.evaluate) {
    // Judging may look at labels that training was not allowed to see.
    const judge = async (model: string) =>
      stage('evaluate', {
        ...data,
        ...common,
        labels: 'on',
        model,
        ...(recipe.teacher ? { against: recipe.teacher } : {}),
        metrics: recipe.evaluate?.metrics,
        on: 'test',
      } as never)
    const judged = await judge(trained.model)
    best.metrics = judged.metrics
    if (judged.against) best.teacherMetrics = judged.against
    if (quantized) Object.assign(best.quantized as object, { metrics: (await judge(quantized.model)).metrics })
  }
  if (recipe.benchmark && recipe.teacher) {
    const against = recipe.teacher
    const time = async (model: string): Promise<Timing> => {
      const { models, ratio } = await stage('benchmark', { ...common, ...recipe.benchmark, model, against })
      return { models, ...(ratio ? { ratio } : {}) }
    }
    best.benchmark = await time(trained.model)
    if (quantized) Object.assign(best.quantized as object, { benchmark: await time(quantized.model) })
  }
  if (recipe.export) {
    const variants = recipe.export.variants ?? ['fp32', 'int8', 'ort']
    const made = await stage('export', { ...data, ...common, model: trained.model, out: join(out, 'package'), variants, overwrite })
    best.export = { folder: join(out, 'package'), files: made.files, parity: made.parity, mobile: made.mobile }
  }
  const missedGoals = missed(recipe, best)
  const report = table(best, stages, missedGoals)
  mkdirSync(out, { recursive: true })
  writeFileSync(join(out, 'report.md'), report)
  writeFileSync(join(out, 'report.json'), `${JSON.stringify({ stages, best, missedGoals }, null, 2)}\n`)
  return { run: trained.run, stages, best, report, out, ...(missedGoals.length ? { missedGoals } : {}) }
}

/** What `benchmark` answers of a model beside the teacher, timed in turn. */
interface Timing {
  models: { latencyMs: { p50: number } }[]
  ratio?: { median: number; ci95: [number, number] }
}

/** Goals that the result does not reach, one sentence each. A number that was not measured reaches nothing. */
function missed(recipe: FullRecipe, best: Record<string, unknown>): string[] {
  const metrics = best.metrics as Metrics
  const speedup = (best.benchmark as { ratio?: { median: number } } | undefined)?.ratio?.median
  const numbers: Record<string, number | undefined> = {
    ...Object.fromEntries(Object.entries(metrics).map(([name, m]) => [name, m.value])),
    parameters: best.parameters as number,
    bytes: ((best.quantized as { bytes?: number } | undefined)?.bytes ?? best.bytes) as number,
    macs: best.macs as number | undefined,
    speedup,
  }
  return Object.entries(recipe.goals).flatMap(([name, { atLeast, atMost }]) => {
    const value = numbers[name]
    if (value === undefined) return [`${name}: not measured`]
    if (atLeast !== undefined && value < atLeast) return [`${name}: ${value}, at least ${atLeast} was asked for`]
    if (atMost !== undefined && value > atMost) return [`${name}: ${value}, at most ${atMost} was asked for`]
    return []
  })
}

const percent = (m: { value: number; ci95?: [number, number] | undefined } | undefined): string =>
  m ? `${(100 * m.value).toFixed(2)} %${m.ci95 ? ` [${(100 * m.ci95[0]).toFixed(2)}, ${(100 * m.ci95[1]).toFixed(2)}]` : ''}` : '-'
const kib = (bytes: number | undefined): string => (bytes === undefined ? '-' : `${(bytes / 1024).toFixed(1)} KiB`)

function table(
  best: Record<string, unknown>,
  stages: readonly { name: string; seconds: number }[],
  missedGoals: readonly string[],
): string {
  const teacher = best.teacher as { parameters: number; bytes: number; macs?: number } | undefined
  const q = best.quantized as { bytes: number; metrics: Metrics; benchmark?: Timing } | undefined
  const m = best.metrics as Metrics
  const latency = best.benchmark as Timing | undefined
  const ms = (of: Timing | undefined, i: number) => of?.models[i]?.latencyMs.p50.toFixed(3) ?? '-'
  const times = ({ ratio }: Timing = { models: [] }) =>
    ratio ? `${ratio.median.toFixed(2)} [${ratio.ci95.map((v) => v.toFixed(2)).join(', ')}]` : '-'
  const rows = [
    ['', 'teacher', 'student', 'student int8'],
    ['parameters', String(teacher?.parameters ?? '-'), String(best.parameters), String(best.parameters)],
    ['file', kib(teacher?.bytes), kib(best.bytes as number), kib(q?.bytes)],
    ['multiply-accumulates', String(teacher?.macs ?? '-'), String(best.macs ?? '-'), String(best.macs ?? '-')],
    [
      'top-1 on test [95 %]',
      percent((best.teacherMetrics as Metrics | undefined)?.top1),
      percent(m.top1),
      percent(q?.metrics.top1),
    ],
    ['agreement with the teacher [95 %]', '-', percent(m.agreement), percent(q?.metrics.agreement)],
    ['latency p50, batch 1 (ms)', ms(latency, 1), ms(latency, 0), ms(q?.benchmark, 0)],
    ['times faster than the teacher [95 %]', '1', times(latency), times(q?.benchmark)],
  ]
  const widths = rows[0]!.map((_, c) => Math.max(...rows.map((r) => r[c]!.length)))
  const line = (r: readonly string[]) => `| ${r.map((cell, c) => cell.padEnd(widths[c]!)).join(' | ')} |`
  return [
    line(rows[0]!),
    line(widths.map((w) => '-'.repeat(w))),
    ...rows.slice(1).map(line),
    '',
    `Stages: ${stages.map((s) => `${s.name} ${s.seconds.toFixed(1)} s`).join(', ')}`,
    ...missedGoals.map((g) => `Goal missed: ${g}`),
    '',
  ].join('\n')
}
