import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { handlers, inProcess, makeClient, makeDispatcher } from '../../engine/commands/index.ts'
import { makeSplits, openDataSet, type AnyPreprocess } from '../../engine/data/index.ts'
import { evaluateModel, openPredictor } from '../../engine/evaluate/index.ts'
import { readModel } from '../../engine/onnx/index.ts'
import { checkNodes, samplesFor, simulation } from '../../engine/quantize/index.ts'
import type { StudyModel } from './models.ts'
import type { StudyScheme } from './schemes.ts'

export interface Interval {
  value: number
  ci95?: readonly [number, number]
}

/** What one format does to one model. */
export interface Row {
  model: string
  scheme: string
  file: string
  bytes: number
  float: Interval
  quantized: Interval
  /** Share of the test samples on which it answers as the float model does. */
  agreement: number
  /** The same against our simulation in floats; absent for fp16, which has no codes. */
  simulated?: number
  /** Largest difference of a code between ONNX Runtime and the simulation, given equal codes. */
  steps?: number
  ratio?: { median: number; ci95: readonly [number, number] }
}

export interface RowOptions {
  cache: string
  threads: number | undefined
  samples: number
}

const slug = (text: string) => text.replace(/\W+/g, '-')
const rowFile = (o: RowOptions, model: StudyModel, scheme: StudyScheme) =>
  join(o.cache, 'rows', `${slug(model.name)}--${slug(scheme.name)}.json`)

export const knownRow = (o: RowOptions, model: StudyModel, scheme: StudyScheme): Row | undefined => {
  const file = rowFile(o, model, scheme)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Row) : undefined
}

export function keepRow(o: RowOptions, model: StudyModel, scheme: StudyScheme, row: Row): void {
  mkdirSync(join(o.cache, 'rows'), { recursive: true })
  writeFileSync(rowFile(o, model, scheme), JSON.stringify(row))
}

/** Quantizes a model by our command, and judges the file on the test share: against labels, the float model and the simulation. */
export async function makeRow(o: RowOptions, model: StudyModel, scheme: StudyScheme): Promise<Row> {
  const dispatcher = makeDispatcher(handlers)
  const run = makeClient(['quantize'], inProcess(dispatcher))
  const out = join(o.cache, 'files', `${slug(model.name)}--${slug(scheme.name)}`)
  const q = await run.quantize({
    model: model.file, data: model.data, ...scheme.input, out, overwrite: true, calibrationSamples: o.samples,
    store: join(o.cache, 'runs.db'), ...(o.threads ? { threads: o.threads } : {}),
  }) // prettier-ignore
  dispatcher.close()
  const { float, quantized } = q.metrics as Record<string, Record<string, Interval>>
  return {
    model: model.name,
    scheme: scheme.name,
    file: q.model,
    bytes: q.bytes,
    float: float!.top1!,
    quantized: quantized!.top1!,
    agreement: quantized!.agreement!.value,
    ...(scheme.name === 'fp16' ? {} : await simulated(o, model, q.model, q.preprocess as AnyPreprocess | undefined)),
  }
}

async function simulated(o: RowOptions, { data }: StudyModel, file: string, preprocess: AnyPreprocess | undefined) {
  const session = { threads: o.threads }
  const model = await readModel(file)
  const dataset = await openDataSet(data, { labels: 'on' })
  const { test } = makeSplits(dataset, { seed: 0 })
  const mine = await openPredictor(simulation(model), { ...session, name: 'simulation' })
  const theirs = await openPredictor(file, { ...session, name: file })
  const { metrics } = await evaluateModel({ model: theirs, against: mine, dataset, indices: test, preprocess })
  await mine.release()
  await theirs.release()
  const nodes = await checkNodes(model, samplesFor(model, { dataset, indices: test.slice(0, 32), preprocess }), session)
  const steps = nodes.length ? { steps: Math.max(...nodes.map((n) => n.steps)) } : {}
  return { simulated: metrics.agreement!.value, ...steps }
}

/** Float time over this format's, measured in turn. */
export async function measured(o: RowOptions, model: StudyModel, row: Row, repeats: number): Promise<Row> {
  const dispatcher = makeDispatcher(handlers)
  const run = makeClient(['benchmark'], inProcess(dispatcher))
  const b = await run.benchmark({ model: row.file, against: model.file, repeats, store: join(o.cache, 'runs.db'), ...(o.threads ? { threads: o.threads } : {}) }) // prettier-ignore
  dispatcher.close()
  const ratio = b.ratio as Row['ratio']
  return ratio ? { ...row, ratio } : row
}
