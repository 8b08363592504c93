import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { batchInputs, type AnyPreprocess, type DataSet, type InputSpec } from '../../data/index.ts'
import { OptionError, StillroomError, UnsupportedError } from '../../errors.ts'
import { evaluateModel, openPredictor, PREPROCESS_KEY } from '../../evaluate/index.ts'
import { findLogits, prepare, prepareModel } from '../../inspect/index.ts'
import type { Model } from '../../ir/index.ts'
import { findMethod, type Method } from '../../methods/index.ts'
import { encodeModel, writeModel } from '../../onnx/index.ts'
import { blockSize } from '../../session/index.ts'
import { loadStudent, type StudentContext } from '../../students/index.ts'
import {
  augmentOf,
  fit,
  logitsOf,
  pairLayers,
  readCheckpoint,
  rolesOf,
  shapesOf,
  takesOneSample,
  targetStatistics,
  taskOf,
  toNet,
  withWeights,
  type FitOptions,
  type Net,
  type Samples,
} from '../../train/index.ts'
import type { CommandOutput } from '../contract/index.ts'
import type { HandlerContext } from './handler.ts'
import { ratesOf } from './rates.ts'
import { openData, preprocessing, recorder, type TrainingInput } from './trainingParts.ts'
import { tunerOf } from './tuning.ts'
import { ENGINE_VERSION } from './version.ts'

type Input = TrainingInput
type Result = CommandOutput<'train'>

/** Refuses a results folder that holds something, before hours are spent. */
export function checkOut(out: string | undefined, overwrite: boolean): void {
  if (!out || overwrite || !existsSync(out)) return
  if (!statSync(out).isDirectory()) throw new OptionError(`${out} is a file, a folder is expected`, { where: 'out' })
  if (readdirSync(out).length)
    throw new OptionError(`${out} is not empty`, { where: 'out', hint: 'choose another folder, or --overwrite' })
}

/** Parsed options of each method, from `NAME=VALUE` (one method) or `KEY.NAME=VALUE`. Errors: OptionError naming the option. */
export function methodsOf(
  keys: readonly string[],
  given: Readonly<Record<string, unknown>>,
): { method: Method; options: unknown }[] {
  const own = new Map<string, Record<string, unknown>>(keys.map((key) => [key, {}]))
  for (const [name, value] of Object.entries(given)) {
    const [key, field] = name.includes('.')
      ? (name.split(/\.(.*)/s) as [string, string])
      : [keys.length === 1 ? keys[0]! : '', name]
    const into = own.get(key)
    if (!into)
      throw new OptionError(`option '${name}' belongs to no chosen method`, {
        where: `option.${name}`,
        hint: `write KEY.NAME=VALUE with one of ${keys.join(', ')}`,
      })
    into[field] = value
  }
  return keys.map((key) => {
    const method = findMethod(key)
    const parsed = method.options.safeParse(own.get(key))
    if (parsed.success) return { method, options: parsed.data }
    const issue = parsed.error.issues[0]!
    throw new OptionError(`${key}: ${issue.message}`, { where: ['option', key, ...issue.path].join('.') })
  })
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Trains, with or without a teacher: opens everything, runs the loop inside a stored run, writes and judges the result. */
export async function runTraining(kind: 'train' | 'distill', input: Input, ctx: HandlerContext<'distill'>): Promise<Result> {
  if (!ctx.resume) checkOut(input.out, input.overwrite)
  const methods = methodsOf(input.method ?? [], input.option ?? {})
  const { dataset, splits, labelled } = await openData(input)
  const prepared = input.teacher ? await prepareModel(input.teacher) : undefined
  const teacherModel = prepared?.model
  const chosen = await preprocessing(input, dataset, splits.train, labelled)
  ctx.emit('message', { level: 'info', text: chosen.text })
  for (const text of [...dataset.warnings, ...(prepared?.warnings ?? [])]) ctx.emit('message', { level: 'warning', text })
  const teacherHash = teacherModel && sha256(encodeModel(teacherModel))
  const inputs = batchInputs(dataset, chosen.preprocess, 1)
  const samples = { dataset, preprocess: chosen.preprocess }
  // A graph's batch is the whole graph, whatever the file says.
  const group = prepared && prepared.batch !== 'free' && dataset.kind !== 'graph' ? prepared.batch : undefined
  const teacherNet = teacherModel && { ...tapped(teacherModel), group }
  const classes = teacherNet ? await answersWide(teacherNet, inputs, samples, splits.train) : outputsOf(dataset)
  if (classes < (dataset.target?.kind === 'values' ? 1 : 2))
    throw new OptionError('training without a teacher needs labelled data', {
      where: 'labels',
      hint: 'use --labels on with a labelled data set',
    })
  const source = await loadStudent(input.student, studentContext(dataset, splits.train, inputs, classes, input.seed, teacherModel))
  // A file may have been exported with a fixed batch: it is freed to be trained, and what is written has it as it was.
  const ready = /\.onnx(\?|$)/.test(input.student) ? await prepare(source) : undefined
  let studentNet = tapped(ready?.batch === 'free' ? ready.model : source)
  if (takesOneSample(studentNet.model.graph, inputs)) studentNet = { ...studentNet, group: 1 }
  const answers = widthOf(studentNet, inputs, dataset.target?.kind)
  if (answers !== classes)
    throw new OptionError(`the student answers with ${answers} values, ${classes} are expected`, { where: 'student' })
  const pairs =
    teacherNet && methods.some((m) => m.method.needs.features) ? pairLayers(studentNet, teacherNet, inputs, input.pairs) : []
  if (methods.some((m) => m.method.needs.features) && !pairs.length)
    throw new OptionError('no layers of student and teacher fit together', {
      where: 'pairs',
      hint: 'name them with --pairs STUDENT=TEACHER',
    })
  studentNet = { ...studentNet, features: pairs.map((p) => p.student) }
  const teacher = teacherNet && { ...teacherNet, features: pairs.map((p) => p.teacher) }

  const run =
    ctx.resume?.run ??
    ctx.store.createRun({
      kind,
      recipe: input,
      resolved: input,
      seed: input.seed,
      engineVersion: ENGINE_VERSION,
      out: input.out ?? null,
      models: { ...(teacherHash ? { teacher: teacherHash } : {}), student: sha256(encodeModel(source)) },
    })
  if (input.name && !ctx.resume) ctx.store.changeRun(run.id, { name: input.name })
  ctx.store.claimRun(run.id)
  const folder = ctx.store.runFolder(run.id)
  const resume = ctx.resume?.checkpoint ? readCheckpoint(ctx.resume.checkpoint.path) : undefined
  const options = settings(input, methods, {
    studentNet,
    teacher,
    dataset,
    splits,
    labelled,
    classes,
    preprocess: chosen.preprocess,
  })
  try {
    ctx.emit('started', { run: run.id, steps: options.steps, ...(resume ? { resumedFromStep: resume.step } : {}) })
    const record = recorder(ctx, run.id, options.steps)
    const say = record.on.message
    const result = await fit({
      ...options,
      target: { provider: input.provider, block: await blockSize() },
      tuner: tunerOf(input, ctx.store.path, (text) => say('info', text)),
      cache: teacherHash ? { folder: join(dirname(ctx.store.path), 'teacher-outputs'), teacher: teacherHash } : undefined,
      resume,
      signal: ctx.signal,
      peak: ratesOf(ctx.store, run.id, (lr, step) => say('info', `peak learning rate ${lr} from step ${step + 1} on`)),
      on: {
        ...record.on,
        stage: (name, index, of) => of > 1 && ctx.emit('stage', { name, index, of }),
      },
    })
    record.flush()
    const model = described(withWeights(source, result.weights), chosen.preprocess)
    const done = await finish({
      input,
      ctx,
      run: run.id,
      folder,
      model,
      teacher: teacherModel,
      dataset,
      splits,
      labelled,
      preprocess: chosen.preprocess,
    })
    const answer: Result = {
      run: run.id,
      model: done.path,
      steps: result.steps,
      seconds: result.seconds,
      stepsPerSecond: result.stepsPerSecond,
      metrics: done.metrics as Result['metrics'],
      labelsUsed: labelled && (methods.length === 0 || methods.some((m) => m.method.needs.labels !== 'unused')),
      ...(resume ? { resumedFromStep: resume.step } : {}),
      ...(teacherModel ? { teacher: cost(teacherModel, inputs) } : {}),
      student: cost(model, inputs),
      preprocess: chosen.preprocess,
      bestStep: result.step,
      stopped: result.stopped,
    }
    writeFileSync(join(done.out, 'metrics.json'), `${JSON.stringify(answer, null, 2)}\n`)
    ctx.store.endRun(run.id, { status: 'done', result: answer })
    return answer
  } catch (error) {
    const known = error instanceof StillroomError ? error : undefined
    const failure = {
      code: known?.code ?? 'bug',
      message: (error as Error).message,
      ...(known?.where ? { where: known.where } : {}),
      ...(known?.hint ? { hint: known.hint } : {}),
    }
    ctx.store.endRun(run.id, { status: known?.code === 'interrupted' ? 'stopped' : 'failed', error: failure })
    if (known?.code === 'interrupted')
      throw new StillroomError('interrupted', known.message, { where: run.id, hint: `stillroom runs resume ${run.id}` })
    throw error
  }
}

/** A network tapped behind a final softmax. */
export const tapped = (model: Model): Net => toNet(model, findLogits(model).value)

/** The trained file says how its pixels are prepared, so that no later verb has to guess. */
function described(model: Model, preprocess: AnyPreprocess | undefined): Model {
  if (!preprocess) return model
  return { ...model, metadata: new Map([...model.metadata, [PREPROCESS_KEY, JSON.stringify(preprocess)]]) }
}

/** Classes or numbers that a network answers with, for each sample or, of rank 4 and for classes, for each pixel. */
export function widthOf(net: Net, inputs: readonly InputSpec[], kind?: string): number {
  const t = shapesOf(net, inputs).get(net.logits)
  if (!t || takesOneSample(net.model.graph, inputs)) return t?.size ?? 0
  return t.rank === 4 && kind !== 'values' ? t.shape[1]! : t.size / t.shape[0]!
}

/** `widthOf` for a teacher, which may have operators without rules or a fixed batch: such a one is asked. */
async function answersWide(net: Net, inputs: readonly InputSpec[], samples: Samples, train: Int32Array): Promise<number> {
  try {
    if (net.group === undefined) return widthOf(net, inputs)
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error
  }
  const { shape } = await logitsOf(net, samples, train.subarray(0, 1))
  return shape.length === 3 ? shape[0]! : shape.reduce((n, d) => n * d, 1)
}

/** Outputs that a data set asks for: its classes, or the numbers to predict. */
export const outputsOf = ({ target, classes }: DataSet): number =>
  target?.kind === 'values' ? target.names.length : (classes?.length ?? 0)

/** What a student is made for. */
export const studentContext = (
  dataset: DataSet,
  train: Int32Array,
  inputs: readonly InputSpec[],
  classes: number,
  seed: number,
  teacher?: Model,
): StudentContext => ({
  input: inputs[0]!.shape.slice(1),
  inputs,
  kind: dataset.kind,
  target: dataset.target?.kind ?? 'class',
  output: dataset.target?.kind === 'values' ? targetStatistics(dataset.target, train) : undefined,
  vocabulary: dataset.tokens?.vocabulary,
  classes,
  seed,
  teacher,
})

interface Parts {
  studentNet: Net
  teacher: Net | undefined
  dataset: FitOptions['samples']['dataset']
  splits: FitOptions['splits']
  labelled: boolean
  classes: number
  preprocess: FitOptions['samples']['preprocess']
}

/** Peak rates and decays where neither the user nor a method says. */
const DEFAULTS: Readonly<Record<string, { lr: number; weightDecay: number }>> = {
  sgd: { lr: 0.05, weightDecay: 5e-4 },
  adam: { lr: 8e-3, weightDecay: 0 },
  adamw: { lr: 8e-3, weightDecay: 0.01 },
  lion: { lr: 1e-3, weightDecay: 0.1 },
}

/** Options with the defaults of the first method, then the trainer's. */
function settings(input: Input, methods: FitOptions['methods'], p: Parts): Omit<FitOptions, 'on' | 'target'> {
  const preset = methods[0]?.method.defaults ?? {}
  const optimizer = input.optimizer ?? preset.optimizer ?? 'adamw'
  const usual = DEFAULTS[optimizer] ?? DEFAULTS.adamw!
  const whole = p.dataset.kind === 'graph'
  const perEpoch = whole ? 1 : Math.max(1, Math.floor(Math.floor(p.splits.train.length / input.batch) / input.accumulate))
  // An epoch of a graph is a single step: Kipf and Welling 2017 take 200.
  const steps = input.steps ?? Math.max(1, Math.round((input.epochs ?? (whole ? 200 : 20)) * perEpoch))
  const views = methods.flatMap((m) => m.method.views?.(m.options) ?? [])
  return {
    student: p.studentNet,
    teacher: p.teacher,
    samples: { dataset: p.dataset, preprocess: p.preprocess },
    splits: p.splits,
    task: taskOf(p.dataset, p.splits.train),
    classes: p.classes,
    labelled: p.labelled,
    methods,
    steps,
    batch: input.batch,
    lr: input.lr ?? preset.lr ?? usual.lr,
    optimizer,
    momentum: input.momentum ?? 0.9,
    weightDecay: input.weightDecay ?? preset.weightDecay ?? usual.weightDecay,
    schedule: input.schedule ?? preset.schedule ?? 'cosine',
    warmup: input.warmup ?? Math.min(100, Math.round(steps / 20)),
    clip: input.clip ?? preset.clip,
    ema: input.ema,
    accumulate: input.accumulate,
    labelSmoothing: input.labelSmoothing,
    augment: (views.length ? views : input.augment).map(augmentOf),
    patience: input.patience,
    evalEvery: input.evalEvery ?? Math.max(perEpoch, Math.ceil(steps / 20)),
    checkpointEvery: input.checkpointEvery ?? Math.max(20, Math.ceil(steps / 20)),
    seed: input.seed,
    threads: input.threads,
    provider: input.provider,
  }
}

export const parametersOf = (model: Model): number =>
  rolesOf(model.graph).parameters.reduce((n, name) => n + model.graph.initializers.get(name)!.size, 0)

/** Operators whose cost is multiply-accumulates. */
const PRODUCTS = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul', 'Einsum', 'LSTM', 'GRU', 'RNN', 'Attention'])

/** Parameters, bytes of the encoded file, multiply-accumulates of one sample. */
export function cost(model: Model, inputs: readonly InputSpec[]): Result['student'] {
  const net = toNet(model, model.graph.outputs[0]!.name)
  let flops = 0
  try {
    const [first] = shapesOf(net, inputs).values()
    for (const step of first?.b.steps ?? []) {
      if (PRODUCTS.has(step.node.op))
        flops += step.rule?.cost?.({ x: step.inputs as never, y: step.outputs as never, a: step.a }) ?? 0
    }
  } catch {
    // Operators without a rule: the cost stays unknown rather than wrong.
    return { parameters: parametersOf(model), bytes: encodeModel(model).length }
  }
  return { parameters: parametersOf(model), bytes: encodeModel(model).length, macs: Math.round(flops / 2) }
}

async function finish(o: {
  input: Input
  ctx: HandlerContext<'distill'>
  run: string
  folder: string
  model: Model
  teacher: Model | undefined
  dataset: Parts['dataset']
  splits: Parts['splits']
  labelled: boolean
  preprocess: Parts['preprocess']
}) {
  const { ctx, input, dataset } = o
  const out = input.out ?? join(o.folder, 'out')
  mkdirSync(out, { recursive: true })
  const path = join(out, 'model.onnx')
  await writeModel(o.model, path)
  if (o.preprocess) writeFileSync(join(out, 'preprocess.json'), `${JSON.stringify(o.preprocess, null, 2)}\n`)
  if (dataset.classes) writeFileSync(join(out, 'labels.txt'), `${dataset.classes.join('\n')}\n`)
  writeFileSync(join(out, 'recipe.json'), `${JSON.stringify({ verb: o.teacher ? 'distill' : 'train', ...input }, null, 2)}\n`)
  const bytes = readFileSync(path)
  ctx.store.addArtifact({ run: o.run, kind: 'model', path, bytes: bytes.length, sha256: sha256(bytes), parents: [] })
  const session = { threads: input.threads, provider: input.provider }
  const model = await openPredictor(o.model, { ...session, name: 'student' })
  const against = o.teacher && (await openPredictor(o.teacher, { ...session, name: 'teacher' }))
  const metrics: Record<string, Awaited<ReturnType<typeof evaluateModel>>['metrics']> = {}
  try {
    for (const part of ['validation', 'test'] as const)
      if (o.splits[part].length)
        metrics[part] = (
          await evaluateModel({ model, against, dataset, indices: o.splits[part], preprocess: o.preprocess })
        ).metrics
  } finally {
    await model.release()
    await against?.release()
  }
  return { out, path, metrics }
}
