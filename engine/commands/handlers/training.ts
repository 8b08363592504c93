import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  channelCount,
  defaultPreprocess,
  fitImages,
  inputShape,
  makeSplits,
  openDataSet,
  parsePreprocess,
  pixelStatistics,
  type DataSet,
  type Preprocess,
} from '../../data/index.ts'
import { OptionError, StillroomError, UnsupportedError } from '../../errors.ts'
import { choosePreprocess, evaluateModel, openPredictor, PREPROCESS_KEY } from '../../evaluate/index.ts'
import { findLogits, prepareModel } from '../../inspect/index.ts'
import type { Model } from '../../ir/index.ts'
import { findMethod, type Method } from '../../methods/index.ts'
import { encodeModel, writeModel } from '../../onnx/index.ts'
import { blockSize } from '../../session/index.ts'
import { loadStudent } from '../../students/index.ts'
import {
  augmentOf,
  fit,
  pairLayers,
  readCheckpoint,
  rolesOf,
  shapesOf,
  toNet,
  withWeights,
  writeCheckpoint,
  type FitOptions,
  type Net,
} from '../../train/index.ts'
import type { ParsedInput, CommandOutput } from '../contract/index.ts'
import type { HandlerContext } from './handler.ts'
import { ENGINE_VERSION } from './version.ts'

type Input = ParsedInput<'train'> & Partial<Pick<ParsedInput<'distill'>, 'teacher' | 'method' | 'option' | 'pairs'>>
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
  if (prepared && prepared.batch !== 'free')
    throw new UnsupportedError(`the teacher runs with batches of ${prepared.batch} only`, {
      where: input.teacher!,
      hint: 'export it with a free batch dimension',
    })

  const teacherNet = teacherModel && tapped(teacherModel)
  const shape = chosen.preprocess ? inputShape(chosen.preprocess) : dataset.sample.shape
  const classes = teacherNet ? widthOf(teacherNet, shape) : (dataset.classes?.length ?? 0)
  if (classes < 2)
    throw new OptionError('training without a teacher needs labelled data', {
      where: 'labels',
      hint: 'use --labels on with a labelled data set',
    })
  const source = await loadStudent(input.student, { input: shape, classes, seed: input.seed, teacher: teacherModel })
  let studentNet = tapped(source)
  if (widthOf(studentNet, shape) !== classes)
    throw new OptionError(`the student answers with ${widthOf(studentNet, shape)} values, ${classes} are expected`, {
      where: 'student',
    })
  const pairs =
    teacherNet && methods.some((m) => m.method.needs.features) ? pairLayers(studentNet, teacherNet, shape, input.pairs) : []
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
      models: { ...(teacherModel ? { teacher: sha256(encodeModel(teacherModel)) } : {}), student: sha256(encodeModel(source)) },
    })
  ctx.store.claimRun(run.id)
  const folder = ctx.store.runFolder(run.id)
  const resume = ctx.resume?.checkpoint ? readCheckpoint(ctx.resume.checkpoint.path) : undefined
  const options = settings(input, methods, {
    studentNet,
    teacher,
    dataset,
    splits,
    labelled,
    shape,
    classes,
    preprocess: chosen.preprocess,
  })
  try {
    ctx.emit('started', { run: run.id, steps: options.steps, ...(resume ? { resumedFromStep: resume.step } : {}) })
    const points = recorder(ctx, run.id)
    const result = await fit({
      ...options,
      target: { provider: input.provider, block: await blockSize() },
      resume,
      signal: ctx.signal,
      on: {
        stage: (name, index, of) => of > 1 && ctx.emit('stage', { name, index, of }),
        step: (e) => points.step(e, options.steps),
        evaluated(step, metrics) {
          points.flush()
          ctx.store.addMetrics(
            run.id,
            Object.entries(metrics).map(([name, value]) => ({ split: 'validation', name, step, value })),
          )
          ctx.emit('evaluated', { step, split: 'validation', metrics })
        },
        checkpoint(checkpoint) {
          const path = join(folder, `checkpoint-${checkpoint.step}.ckpt`)
          points.flush()
          writeCheckpoint(path, checkpoint)
          ctx.store.addCheckpoint(run.id, checkpoint.step, path)
          dropOld(ctx, run.id, folder)
          ctx.emit('checkpoint', { step: checkpoint.step, path })
        },
        message: (level, text) => ctx.emit('message', { level, text }),
      },
    })
    points.flush()
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
      shape,
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
      ...(teacherModel ? { teacher: cost(teacherModel, shape) } : {}),
      student: cost(model, shape),
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
function tapped(model: Model): Net {
  const { model: open, value } = { model, ...findLogits(model) }
  return toNet(open, value)
}

/** The trained file says how its pixels are prepared, so that no later verb has to guess. */
function described(model: Model, preprocess: Preprocess | undefined): Model {
  if (!preprocess) return model
  return { ...model, metadata: new Map([...model.metadata, [PREPROCESS_KEY, JSON.stringify(preprocess)]]) }
}

/** That of the teacher, or of a student file that has one; a fresh student takes the data's own statistics. */
async function preprocessing(
  input: Input,
  dataset: DataSet,
  train: Int32Array,
  labelled: boolean,
): Promise<{ preprocess: Preprocess | undefined; text: string }> {
  const file = input.teacher ?? (/\.onnx$/.test(input.student) ? input.student : undefined)
  if (file) {
    const predictor = await openPredictor(file, { threads: input.threads, provider: input.provider })
    try {
      return await choosePreprocess(predictor, dataset, {
        wanted: input.preprocess,
        indices: train,
        labels: labelled,
        seed: input.seed,
      })
    } finally {
      await predictor.release()
    }
  }
  if (dataset.kind !== 'image') return { preprocess: undefined, text: 'samples are tensors and pass as they are' }
  if (existsSync(input.preprocess))
    return {
      preprocess: parsePreprocess(JSON.parse(readFileSync(input.preprocess, 'utf8'))),
      text: `preprocessing from ${input.preprocess}`,
    }
  const plain = defaultPreprocess(dataset)
  const raw = await dataset.read(train.slice(0, 2000))
  if (raw.kind === 'tensor') return { preprocess: plain, text: 'pixels in 0..1' }
  const { mean, std } = pixelStatistics(fitImages(raw, plain), channelCount(plain))
  const round = (v: number) => Number(v.toPrecision(4))
  const preprocess = { ...plain, mean: mean.map(round), std: std.map((v) => Math.max(1e-3, round(v))) }
  return {
    preprocess,
    text: `pixels in 0..1, less mean ${preprocess.mean.join(', ')}, over deviation ${preprocess.std.join(', ')} of the training samples`,
  }
}

/** The data of a verb with its splits. Labels that are off are never opened. */
export async function openData(input: Pick<Input, 'data' | 'labels' | 'split' | 'seed'>) {
  const dataset = await openDataSet(input.data, { labels: input.labels })
  return {
    dataset,
    splits: makeSplits(dataset, { share: input.split, seed: input.seed }),
    labelled: dataset.labelled && input.labels === 'on',
  }
}

function widthOf(net: Net, shape: readonly number[]): number {
  const t = shapesOf(net, shape).get(net.logits)
  return t ? t.size : 0
}

interface Parts {
  studentNet: Net
  teacher: Net | undefined
  dataset: FitOptions['samples']['dataset']
  splits: FitOptions['splits']
  labelled: boolean
  shape: readonly number[]
  classes: number
  preprocess: FitOptions['samples']['preprocess']
}

/** Options with the defaults of the first method, then the trainer's. */
function settings(input: Input, methods: FitOptions['methods'], p: Parts): Omit<FitOptions, 'on' | 'target'> {
  const preset = methods[0]?.method.defaults ?? {}
  const optimizer = input.optimizer ?? preset.optimizer ?? 'adamw'
  const perEpoch = Math.max(1, Math.floor(Math.floor(p.splits.train.length / input.batch) / input.accumulate))
  const steps = input.steps ?? Math.max(1, Math.round((input.epochs ?? 20) * perEpoch))
  const views = methods.flatMap((m) => m.method.views?.(m.options) ?? [])
  return {
    student: p.studentNet,
    teacher: p.teacher,
    samples: { dataset: p.dataset, preprocess: p.preprocess },
    splits: p.splits,
    shape: p.shape,
    classes: p.classes,
    labelled: p.labelled,
    methods,
    steps,
    batch: input.batch,
    lr: input.lr ?? preset.lr ?? (optimizer === 'sgd' ? 0.05 : 8e-3),
    optimizer,
    momentum: input.momentum ?? 0.9,
    weightDecay: input.weightDecay ?? preset.weightDecay ?? (optimizer === 'sgd' ? 5e-4 : optimizer === 'adamw' ? 0.01 : 0),
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

/** Losses go to the store in batches and to the front door a few times a second. */
function recorder(ctx: HandlerContext<'distill'>, run: string) {
  let pending: { split: string; name: string; step: number; value: number }[] = []
  let sent = 0
  const flush = () => {
    if (pending.length) ctx.store.addMetrics(run, pending)
    pending = []
  }
  return {
    flush,
    step(e: Parameters<NonNullable<FitOptions['on']['step']>>[0], steps: number) {
      for (const [name, value] of Object.entries(e.losses)) pending.push({ split: 'train', name, step: e.step, value })
      const now = performance.now()
      if (now - sent < 200 && e.step !== steps) return
      sent = now
      if (pending.length > 400) flush()
      ctx.emit('step', { step: e.step, steps: e.steps, losses: e.losses, rate: e.rate, etaSeconds: e.etaSeconds, lr: e.lr })
    },
  }
}

/** The two newest checkpoints stay: one more than is needed, should the newest be on a bad sector. */
function dropOld(ctx: HandlerContext<'distill'>, run: string, folder: string): void {
  const keep = new Set(
    ctx.store
      .checkpoints(run)
      .slice(-2)
      .map((c) => c.path),
  )
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (/^checkpoint-\d+\.ckpt$/.test(name) && !keep.has(path)) rmSync(path, { force: true })
  }
}

export const parametersOf = (model: Model): number =>
  rolesOf(model.graph).parameters.reduce((n, name) => n + model.graph.initializers.get(name)!.size, 0)

/** Parameters, bytes of the encoded file, multiply-accumulates of one sample. */
export function cost(model: Model, shape: readonly number[]): Result['student'] {
  const net = toNet(model, model.graph.outputs[0]!.name)
  let flops = 0
  try {
    const [first] = shapesOf(net, shape).values()
    for (const step of first?.b.steps ?? []) {
      const named = step.node.op
      if (named === 'Conv' || named === 'Gemm' || named === 'MatMul' || named === 'ConvTranspose')
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
  shape: readonly number[]
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
