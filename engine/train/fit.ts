import { StillroomError } from '../errors.ts'
import { batchesAhead, type AheadBatcher, type AheadOptions, type Augment, type Batcher, type Splits } from '../data/index.ts'
import { TensorData } from '../ir/index.ts'
import type { Method } from '../methods/index.ts'
import { emaDecayAt, findOptimizer, findSchedule, parseOptions, rateAt } from '../optim/index.ts'
import type { Plan, Target } from '../passes/index.ts'
import { random } from '../random.ts'
import { createSession, Value, type Provider, type Session } from '../session/index.ts'
import type { Tuner } from '../tune/index.ts'
import type { Checkpoint } from './checkpoint.ts'
import type { FakeQuantization } from './fakeQuantize.ts'
import { feedsOf } from './bindInputs.ts'
import { deviceOf, type Device } from './device.ts'
import { advance, updatePlace, type UpdatePlace } from './inPlace.ts'
import { makeJudge } from './judge.ts'
import type { Samples } from './logits.ts'
import { type Draw, type Init, type Mask, type Net, type Program, type StepSpec } from './program.ts'
import { chosenSamples } from './select.ts'
import { spansOf, type Span } from './spans.ts'
import { compileTuned } from './tuning.ts'
import { teacherFeed, teacherRows, type TeacherFeed } from './teacher.ts'
import type { Task } from './task.ts'
import { weightsReader } from './weights.ts'

export interface FitOptions {
  student: Net
  teacher: Net | undefined
  samples: Samples
  splits: Splits
  /** What is trained for; a class of each sample when left out. */
  task?: Task | undefined
  /** Width of the logits. */
  classes: number
  /** Whether the label terms may be used. */
  labelled: boolean
  methods: readonly { method: Method; options: unknown }[]
  /** Trains the student as the integer model that it becomes. */
  qat?: FakeQuantization | undefined
  steps: number
  batch: number
  lr: number
  /** Peak learning rate of a step, where it was changed during the run. */
  peak?: ((step: number) => number | undefined) | undefined
  optimizer: string
  momentum: number
  weightDecay: number
  schedule: string
  warmup: number
  clip?: number | undefined
  ema?: number | undefined
  accumulate: number
  labelSmoothing: number
  augment: readonly Augment[]
  /** Stop after so many evaluations without improvement. */
  patience?: number | undefined
  /** Steps between evaluations on the validation part; 0: never, the last weights are the result. */
  evalEvery: number
  checkpointEvery: number
  seed: number
  threads?: number | undefined
  provider: Provider
  target: Target
  /** Whether batches are made on a thread of their own; the same batches in any case. Default: where loading takes noticeable time. */
  ahead?: AheadOptions['ahead']
  /** Where parameters are updated; the better place for the machine when left out. An interrupted run goes on where it was. */
  update?: UpdatePlace | undefined
  /** Chooses between forms of operators; the usual ones when left out. An interrupted run goes on with what was chosen. */
  tuner?: Tuner | undefined
  /** Use teacher outputs of the unaugmented samples for every view (a control of some checks; never the default). */
  cleanTeacher?: boolean | undefined
  /** Where a frozen teacher's outputs are kept between runs, and the hash of its file; in memory only when absent. */
  cache?: { folder: string; teacher: string } | undefined
  resume?: Checkpoint | undefined
  signal?: AbortSignal | undefined
  on: {
    stage?(name: string, index: number, of: number): void
    step?(event: {
      step: number
      steps: number
      losses: Record<string, number>
      rate: number
      etaSeconds: number
      lr: number
      /** Peak of the schedule that `lr` is on. */
      peak: number
      stage: string
    }): void
    evaluated?(step: number, metrics: Record<string, number>): void
    checkpoint?(checkpoint: Checkpoint): void
    message?(level: 'info' | 'warning', text: string): void
  }
}

export interface Fit {
  /** Values of the student's parameters and statistics: the best on the validation part, or the last. */
  weights: Map<string, TensorData>
  /** Step that they come from. */
  step: number
  /** Steps done in all, earlier sessions included; and in this one. */
  steps: number
  seconds: number
  stepsPerSecond: number
  /** Seconds of them that steps waited for batches. */
  waited: number
  /** Training samples; those that a method left out are not counted. */
  samples: number
  stopped: 'end' | 'patience'
}

/** Runs the training loop. A stop request ends in a checkpoint and an error of code `interrupted`. Same options, same bits (one thread, CPU). */
export async function fit(given: FitOptions): Promise<Fit> {
  const o = await chosenSamples(given, teacherRows)
  const batcher = batchesAhead({
    dataset: o.samples.dataset,
    indices: o.splits.train,
    batch: o.batch,
    seed: o.seed,
    preprocess: o.samples.preprocess,
    augment: o.augment,
    classes: o.classes,
    ahead: o.ahead,
  })
  try {
    return await trained(o, batcher)
  } finally {
    await batcher.release()
  }
}

async function trained(o: FitOptions, batcher: AheadBatcher): Promise<Fit> {
  const teacher = await teacherFeed(o, batcher)
  const weights = await weightsReader(o)
  const device = deviceOf(o.provider)
  try {
    return await loop(o, { batcher, teacher, weights, device })
  } finally {
    // Stopped and failed runs, too: a host outlives many of them.
    await weights.release()
    await device.release()
    if (teacher.kind === 'fed') await teacher.release()
  }
}

interface Parts {
  batcher: AheadBatcher
  teacher: TeacherFeed
  weights: Awaited<ReturnType<typeof weightsReader>>
  device: ReturnType<typeof deviceOf>
}

async function loop(o: FitOptions, { batcher, teacher, weights, device }: Parts): Promise<Fit> {
  const stages = o.methods.map((m) => m.method.stages?.(m.options)).find((s) => s !== undefined) ?? [{ name: '', share: 1 }]
  const judge = await makeJudge(o)
  let best = o.resume?.best
  let stale = o.resume?.stale ?? 0
  let step = o.resume?.step ?? 0
  let state = new Map<string, Value>([...(o.resume?.state ?? [])].map(([name, data]) => [name, copyOf(data)]))
  const first = step
  const started = performance.now()
  let stopped: Fit['stopped'] = 'end'
  let plan = o.resume?.plan ?? {}
  const { place: update, lost } = updatePlace({
    ...o,
    optimizer: findOptimizer(o.optimizer),
    resumed: o.resume && (o.resume.update ?? 'graph'),
  })
  if (lost) o.on.message?.('warning', `the run began with the native addon (${lost} now): the last bits of its weights may differ`)
  // Copies: the memory of the state is changed or freed by the next step.
  const snapshot = async (): Promise<Checkpoint> => ({ step, state: copied(await device.read(state)), best, stale, update, plan })

  for (const span of spansOf(stages, o.steps, o.qat?.freezeAfter)) {
    const { stage, from, to } = span
    if (step >= span.end || stopped !== 'end') continue
    if (span.start === from) o.on.stage?.(stage.name, span.index + 1, stages.length)
    const run = await compileStage(o, span, batcher, teacher, update, device, plan)
    plan = run.plan
    // A stage is a training of its own: moments of another loss would scale its first steps wrongly.
    if (step === from) state = new Map([...state].filter(([name]) => !name.startsWith('slot/')))
    state = begin(run.programs, await device.read(state), o.seed)
    try {
      while (step < span.end) {
        const [at, length] = [step - from, to - from]
        const peak = o.peak?.(step) ?? o.lr
        const lr = peak * (stage.rate ?? 1) * rateAt(run.schedule, run.scheduleOptions, at, length, Math.min(o.warmup, length))
        const losses = await run.step(state, step, lr, { step: at, steps: length })
        step++
        const seconds = (performance.now() - started) / 1000
        const rate = (step - first) / Math.max(seconds, 1e-9)
        o.on.step?.({ step, steps: o.steps, losses, rate, etaSeconds: (o.steps - step) / rate, lr, peak, stage: stage.name })
        if (Object.values(losses).some((v) => !Number.isFinite(v)))
          throw new StillroomError('goal-missed', `the loss is no longer a number at step ${step}`, {
            where: 'training',
            hint: 'use a lower --lr, a longer --warmup, or --clip 1',
          })
        if (judge && (step % o.evalEvery === 0 || step === o.steps)) {
          const now = await weights.read(await device.read(state))
          const verdict = await judge(now)
          o.on.evaluated?.(step, verdict.metrics)
          if (!best || verdict.score > best.score) {
            best = { step, score: verdict.score, weights: now }
            stale = 0
          } else if (++stale >= (o.patience ?? Infinity)) stopped = 'patience'
        }
        if (step % o.checkpointEvery === 0 && step < o.steps) o.on.checkpoint?.(await snapshot())
        // Messages from other processes arrive only here: a step blocks the thread.
        await new Promise((resolve) => setImmediate(resolve))
        if (o.signal?.aborted) {
          o.on.checkpoint?.(await snapshot())
          throw new StillroomError('interrupted', `stopped after step ${step} of ${o.steps}`, {
            hint: 'stillroom runs resume continues it',
          })
        }
        if (stopped !== 'end') break
      }
    } finally {
      await run.release()
    }
  }
  const seconds = (performance.now() - started) / 1000
  const last = best?.weights ?? (await weights.read(await device.read(state)))
  return {
    weights: new Map(last),
    step: best?.step ?? step,
    steps: step,
    seconds,
    stepsPerSecond: (step - first) / Math.max(seconds, 1e-9),
    waited: batcher.waitedMs / 1000,
    samples: o.splits.train.length,
    stopped,
  }
}

const copyOf = (data: TensorData): Value => Value.of('float32', data.dims, Float32Array.from(data.data as Float32Array))

const copied = (state: ReadonlyMap<string, Value>): Map<string, TensorData> =>
  new Map([...state].map(([name, value]) => [name, copyOf(value.toTensor()).toTensor()]))

/** Fills in what a stage needs and earlier ones did not make; what it does not use stays for later ones. */
function begin(programs: readonly Program[], state: Map<string, Value>, seed: number): Map<string, Value> {
  const out = new Map(state)
  for (const { state: wanted } of programs)
    for (const [name, { dims, init }] of wanted) if (!out.has(name)) out.set(name, initial(name, dims, init, out, seed))
  return out
}

function initial(name: string, dims: readonly number[], init: Init, state: ReadonlyMap<string, Value>, seed: number): Value {
  const data = new Float32Array(dims.reduce((n, d) => n * d, 1))
  if (init === 'zeros') return Value.of('float32', dims, data)
  if (init instanceof TensorData) data.set(init.numbers())
  else if ('sameAs' in init) data.set(state.get(init.sameAs)!.data as Float32Array)
  else random(seed, 'extra', name).fillNormal(data, 0, Math.sqrt(2 / init.fan))
  return Value.of('float32', dims, data)
}

/** The compiled programs of one stage, and how to make one optimizer step with them. */
async function compileStage(
  o: FitOptions,
  { stage, frozen }: Span,
  batcher: Batcher,
  teacher: TeacherFeed,
  update: UpdatePlace,
  device: Device,
  known: Plan,
) {
  const optimizer = findOptimizer(o.optimizer)
  const optimizerOptions = parseOptions(optimizer, {
    weightDecay: o.weightDecay,
    ...(o.optimizer === 'sgd' ? { momentum: o.momentum } : {}),
  }) as Record<string, unknown>
  const schedule = findSchedule(o.schedule)
  const spec = (mode: StepSpec['mode']): StepSpec => ({
    student: o.student,
    teacher: teacher.kind === 'none' ? undefined : teacher.kind === 'fed' ? { fed: teacher.shape } : { net: o.teacher! },
    inputs: batcher.inputs,
    targetShape: o.labelled ? batcher.target : undefined,
    task: o.task ?? { kind: 'class' },
    methods: o.methods,
    stage: stage.name,
    qat: o.qat,
    frozen,
    optimizer,
    optimizerOptions,
    weightDecay: o.weightDecay,
    momentum: o.momentum,
    clip: o.clip,
    ema: o.ema !== undefined,
    labelSmoothing: o.labelSmoothing,
    mode,
    accumulate: o.accumulate,
    target: o.target,
    inPlace: update === 'native',
  })
  const modes: StepSpec['mode'][] = o.accumulate > 1 ? ['accumulate', 'update'] : ['both']
  const settings = { threads: o.threads, provider: o.provider, deterministic: o.threads === 1, name: 'training step' }
  const compiled: { program: Program; session: Session }[] = []
  let plan = known
  for (const mode of modes) {
    const { program, plan: answered } = await compileTuned(spec(mode), plan, o.tuner)
    plan = answered
    compiled.push({ program, session: await createSession(program.model, { ...settings, ...device.settings(program) }) })
  }
  const last = compiled.at(-1)!
  const step = async (
    state: Map<string, Value>,
    at: number,
    lr: number,
    progress: { step: number; steps: number },
  ): Promise<Record<string, number>> => {
    const losses: Record<string, number> = {}
    for (let k = 0; k < o.accumulate; k++) {
      const { program, session } = k === o.accumulate - 1 ? last : compiled[0]!
      const number = at * o.accumulate + k
      const batch = await batcher.at(number)
      const feeds: Record<string, Value> = { ...feedsOf(program.inputs, batch.inputs), lr: Value.from('float32', [], [lr]) }
      if (o.labelled && batch.y) feeds.y = Value.of('float32', batcher.target!, batch.y)
      if (teacher.kind === 'fed') feeds['teacher/logits'] = Value.of('float32', teacher.shape, await teacher.at(batch))
      const scalars = optimizer.hostScalars?.(progress.step, optimizerOptions) ?? {}
      const averageDecay = o.ema === undefined ? undefined : emaDecayAt(at, o.ema)
      for (const [name, value] of Object.entries(scalars)) feeds[`optimizer/${name}`] = Value.from('float32', [], [value])
      if (averageDecay !== undefined) feeds['ema/decay'] = Value.from('float32', [], [averageDecay])
      for (const { method, options } of o.methods)
        for (const [name, value] of Object.entries(method.scalars?.(progress, options) ?? {}))
          feeds[`scalar/${method.key}/${name}`] = Value.from('float32', [], [value])
      for (const mask of program.masks) feeds[mask.name] = dropped(mask, o.seed, number)
      for (const draw of program.draws) feeds[draw.name] = drawn(draw, o.seed, number)
      for (const name of program.state.keys()) feeds[name] = state.get(name)!
      const out = await session.run(feeds)
      device.tell(session, o.on.message)
      advance(program, state, out, { lr, scalars, averageDecay, threads: o.threads })
      for (const name of program.losses) losses[name] = (losses[name] ?? 0) + Number(out[`loss/${name}`]!.data[0]) / o.accumulate
    }
    return losses
  }
  return {
    programs: compiled.map((c) => c.program),
    plan,
    schedule,
    scheduleOptions: parseOptions(schedule),
    step,
    release: async () => {
      for (const { session } of compiled) await session.release()
    },
  }
}

/** Inverted dropout mask: 0 with probability `ratio`, else 1 / (1 - ratio). Drawn by (seed, layer, step), so a resumed run draws the same. */
function dropped(mask: Mask, seed: number, step: number): Value {
  const draws = random(seed, 'dropout', mask.name, step)
  const data = new Float32Array(mask.shape.reduce((n, d) => n * d, 1))
  draws.fillUniform(data, 0, 1)
  const keep = 1 / (1 - mask.ratio)
  for (let i = 0; i < data.length; i++) data[i] = data[i]! < mask.ratio ? 0 : keep
  return Value.of('float32', mask.shape, data)
}

/** Fresh numbers of one step, by (seed, input, step). */
function drawn({ name, shape, kind }: Draw, seed: number, step: number): Value {
  const stream = random(seed, 'draw', name, step)
  const data = new Float32Array(shape.reduce((n, d) => n * d, 1))
  return Value.of('float32', shape, kind === 'normal' ? stream.fillNormal(data) : stream.fillUniform(data))
}
