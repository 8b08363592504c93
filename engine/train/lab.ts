import {
  arrayDataSet,
  augmentations,
  defaultPreprocess,
  makeSplits,
  openDataSet,
  sequential,
  withOptions,
  type Augment,
  type DataSet,
  type Preprocess,
  type Splits,
} from '../data/index.ts'
import { BugError, OptionError, StillroomError } from '../errors.ts'
import { makeMeter } from '../metrics/index.ts'
import {
  findMethod,
  FORMULA_DIGITS,
  type Lab,
  type LabData,
  type LabDataSpec,
  type LabModel,
  type LabTraining,
  type Method,
  type MethodCheck,
} from '../methods/index.ts'
import type { Model } from '../ir/index.ts'
import type { Target } from '../passes/index.ts'
import type { Feeds } from '../session/index.ts'
import { buildTemplate } from '../students/index.ts'
import { bindInputs, feedsOf } from './bindInputs.ts'
import { fit } from './fit.ts'
import { formulaAt, parameterAt, updateAt } from './formula.ts'
import { logitsOf } from './logits.ts'
import { pairLayers, toNet } from './nets.ts'
import { rolesOf, withWeights } from './parameters.ts'
import type { Net } from './program.ts'
import { taskOf, type Task } from './task.ts'

interface Data extends LabData {
  dataset: DataSet
  splits: Splits
  preprocess: Preprocess | undefined
  shape: readonly number[]
  task: Task
}

interface Trained extends LabModel {
  net: Net
}

/** An augmentation by its command line form: `mixup`, `padded-crop:pad=2`. */
export function augmentOf(spec: string): Augment {
  const [id = '', rest = ''] = spec.split(/:(.*)/s)
  const found = augmentations.find((a) => a.id === id)
  if (!found)
    throw new OptionError(`there is no augmentation '${id}'`, {
      where: 'augment',
      hint: `one of ${augmentations.map((a) => a.id).join(', ')}`,
    })
  const options = Object.fromEntries(
    rest
      .split(',')
      .filter(Boolean)
      .map((pair) => pair.split('=') as [string, string])
      // A word stays a word: `mixup:coefficient=uniform`.
      .map(([name, value]) => [name, Number.isNaN(Number(value)) ? value : Number(value)]),
  )
  return withOptions(found as never, options)
}

export interface LabOptions {
  seed: number
  threads?: number | undefined
  target: Target
  /** Methods as they are used here; a sabotaged one takes the place of its original. */
  methods?: readonly Method[]
  signal?: AbortSignal | undefined
  /** Makes integer models, for the checks that compare with them: a folder above this one has it. */
  integers?: IntegerMaker | undefined
}

/** A model whose layers are integers, but for those of `half`; and the names of the integer ones. */
export type IntegerMaker = (
  model: Model,
  samples: () => AsyncIterable<Feeds>,
  half: readonly string[],
) => Promise<{ model: Model; layers: string[] }>

/** Training samples that ranges are taken from. */
const CALIBRATION = 128

/** Samples that a check has computed. */
function computed(spec: Exclude<LabDataSpec, { builtin: string }>): DataSet {
  const count = 'labels' in spec ? spec.labels.length : spec.values.length / spec.shape.reduce((n, d) => n * d, 1)
  const common = {
    name: 'computed rows',
    format: 'rows',
    data: spec.values,
    splits: { train: [0, count - spec.test] as const, test: [count - spec.test, count] as const },
  }
  if ('labels' in spec) return arrayDataSet({ ...common, shape: [spec.width, 1, 1], labels: spec.labels })
  const names = Array.from({ length: spec.target.length / count }, (_, i) => `pixel ${i}`)
  return arrayDataSet({ ...common, shape: spec.shape, target: { kind: 'values', names, values: spec.target } })
}

/** The trainer, as a method's check sees it. */
export function makeLab(o: LabOptions): Lab {
  const method = (key: string): Method => o.methods?.find((m) => m.key === key) ?? findMethod(key)
  return {
    seed: o.seed,
    async data(spec): Promise<Data> {
      const dataset = 'builtin' in spec ? await openDataSet(`${spec.builtin}&seed=${o.seed}`, { labels: 'on' }) : computed(spec)
      const own = makeSplits(dataset, { seed: o.seed, validationShare: 0 })
      const { target } = dataset
      const classes =
        ('known' in spec ? spec.known : undefined) ?? (target?.kind === 'values' ? target.names.length : dataset.classes!.length)
      const test = own.test.filter((i) => (dataset.labels?.[i] ?? 0) < classes)
      const preprocess =
        dataset.kind === 'image' ? { ...defaultPreprocess(dataset), mean: centre(dataset), std: centre(dataset) } : undefined
      const [h = 1, w = 1, c = 1] = dataset.sample.shape
      return {
        dataset,
        splits: { ...own, test },
        preprocess,
        shape: dataset.kind === 'image' ? [c, h, w] : dataset.sample.shape,
        classes,
        train: own.train,
        test,
        labels: dataset.labels ?? new Int32Array(0),
        // Brightnesses have one unit; a pixel that hardly ever changes counts as any other.
        task: target?.kind === 'values' ? { kind: 'values', scale: target.names.map(() => 1) } : taskOf(dataset, own.train),
      }
    },
    async train(t: LabTraining): Promise<Trained> {
      const data = t.data as Data
      const seed = t.seed ?? o.seed
      const teacher = (t.teacher as Trained | undefined)?.net
      const picture = data.task.kind === 'values'
      const drawn = buildTemplate(t.student, {
        input: data.shape,
        classes: picture ? 1 : data.classes,
        seed,
        ...(picture ? { target: 'map' } : {}),
      })
      const start = (t.start as Trained | undefined)?.net.model.graph.initializers
      const model = start ? withWeights(drawn, start) : drawn
      const methods = (t.methods ?? []).map(({ key, options }) => ({
        method: method(key),
        options: method(key).options.parse(options ?? {}),
      }))
      const views = methods.flatMap((m) => m.method.views?.(m.options) ?? [])
      let net = toNet(model, 'logits')
      const pairs =
        teacher && methods.some((m) => m.method.needs.features)
          ? pairLayers(net, teacher, [{ name: 'x', shape: [1, ...data.shape] }], t.pairs)
          : []
      net = { ...net, features: pairs.map((p) => p.student) }
      const history: { stage: string; losses: Record<string, number> }[] = []
      const result = await fit({
        student: net,
        teacher: teacher && { ...teacher, features: pairs.map((p) => p.teacher) },
        samples: { dataset: t.labels === 'off' ? unlabelled(data.dataset) : data.dataset, preprocess: data.preprocess },
        splits: { ...data.splits, train: t.indices ?? data.splits.train, validation: new Int32Array(0) },
        task: data.task,
        classes: data.classes,
        labelled: t.labels !== 'off',
        methods,
        steps: t.steps,
        batch: t.batch ?? 64,
        lr: t.lr ?? (t.optimizer === 'sgd' ? 0.05 : 2e-3),
        optimizer: t.optimizer ?? 'adamw',
        momentum: t.momentum ?? 0.9,
        weightDecay: 1e-4,
        schedule: t.schedule ?? 'cosine',
        warmup: 0,
        accumulate: 1,
        labelSmoothing: 0,
        augment: (views.length ? views : (t.augment ?? [])).map(augmentOf),
        evalEvery: 0,
        checkpointEvery: Infinity,
        seed,
        threads: o.threads,
        provider: 'cpu',
        target: o.target,
        cleanTeacher: t.teacherView === 'clean',
        signal: o.signal,
        on: { step: ({ stage, losses }) => history.push({ stage, losses }) },
      })
      const roles = rolesOf(net.model.graph)
      const parameters = roles.parameters.reduce((n, name) => n + net.model.graph.initializers.get(name)!.size, 0)
      const trained = { ...net, model: withWeights(net.model, result.weights), features: [] }
      return {
        net: trained,
        parameters,
        samples: result.samples,
        terms: meanTerms(history.slice(-Math.ceil(history.length / 10))),
        stageTerms: stageTerms(history),
      }
    },
    async evaluate(model, data, options = {}) {
      const d = data as Data
      const indices = options.part === 'train' ? d.train : d.test
      const score = async (m: LabModel) => logitsOf((m as Trained).net, d, indices, { threads: o.threads })
      const { rows, classes } = await score(model)
      const teacher = options.teacher ? (await score(options.teacher)).rows : undefined
      const meter = makeMeter(['top1', 'agreement'])
      meter.add({ classes, logits: rows, label: indices.map((i) => d.labels[i]!), ...(teacher ? { teacherLogits: teacher } : {}) })
      const values = meter.finish()
      return { top1: 100 * values['top1']!.value, ...(values.agreement ? { agreement: 100 * values.agreement.value } : {}) }
    },
    logits: async (model, data, indices) =>
      (await logitsOf((model as Trained).net, data as Data, indices, { threads: o.threads })).rows,
    async integers(model, data, half = []) {
      if (!o.integers) throw new BugError('this check needs a quantizer', { where: 'LabOptions.integers' })
      const { net, ...rest } = model as Trained
      const d = data as Data
      const indices = d.train.slice(0, CALIBRATION)
      const samples = async function* () {
        for await (const { inputs } of sequential({ dataset: d.dataset, indices, preprocess: d.preprocess, batch: 32 }))
          yield feedsOf(bindInputs(net.model.graph, inputs), inputs)
      }
      const made = await o.integers(net.model, samples, half)
      return { ...rest, net: { ...net, model: made.model }, layers: made.layers }
    },
    formula: (key, at) => formulaAt(method(key), at),
    parameter: (key, at) => parameterAt(method(key), at),
    weights(model) {
      const { graph } = (model as Trained).net.model
      return new Map(rolesOf(graph).parameters.map((name) => [name, graph.initializers.get(name)!]))
    },
    update: (key, at) => updateAt(method(key), at),
  }
}

/** The same samples, and nothing that tells their classes. */
function unlabelled({ labels: _, classes: __, ...set }: DataSet): DataSet {
  return { ...set, labelled: false }
}

/** 0..1 to -1..1. */
const centre = (dataset: DataSet): number[] => new Array<number>(dataset.sample.shape[2]!).fill(0.5)

function meanTerms(list: readonly { losses: Record<string, number> }[]): Record<string, number> {
  const out: Record<string, number> = {}
  for (const { losses } of list) for (const [name, v] of Object.entries(losses)) out[name] = (out[name] ?? 0) + v / list.length
  return out
}

function stageTerms(history: readonly { stage: string; losses: Record<string, number> }[]): Record<string, number> {
  const out: Record<string, number> = {}
  for (const stage of new Set(history.map((h) => h.stage))) {
    const own = history.filter((h) => h.stage === stage)
    const part = Math.max(1, Math.ceil(own.length / 20))
    for (const [name, v] of Object.entries(own[0]!.losses)) out[`${stage}/${name}`] = v
    for (const [name, v] of Object.entries(meanTerms(own.slice(-part)))) out[`${stage}/${name}/end`] = v
  }
  return out
}

export interface CheckResult {
  key: string
  claim: string
  passed: boolean
  /** Required numbers that were not reached. */
  missed: string[]
  seeds: { seed: number; measured: Record<string, number> }[]
  /** Means over the seeds. */
  measured: Record<string, number>
  required: Record<string, number>
}

/** Name of the formula part among the measured numbers. */
const FORMULA = 'formulaDigits'

/**
 * Runs a method's own check. With `sabotage`, the method's formula is replaced by its broken form, and the check should fail.
 * `only: 'formula'` leaves the trainings out.
 */
export async function checkMethod(
  key: string,
  o: Omit<LabOptions, 'seed'> & { seeds: readonly number[]; sabotage: boolean; only?: 'formula'; onSeed?: (n: number) => void },
): Promise<CheckResult> {
  const original = findMethod(key)
  const used: Method = o.sabotage ? { ...original, ...original.sabotage } : original
  const check: MethodCheck = original.check
  const required = { [FORMULA]: FORMULA_DIGITS, ...(o.only ? {} : check.required) }
  const seeds: CheckResult['seeds'] = []
  for (const [n, seed] of o.seeds.entries()) {
    o.signal?.throwIfAborted()
    o.onSeed?.(n)
    const lab = makeLab({ ...o, seed, methods: [used] })
    const formula = { [FORMULA]: await check.formula(lab) }
    seeds.push({ seed, measured: { ...formula, ...(o.only ? {} : await learned(check, lab)) } })
  }
  const names = new Set(seeds.flatMap((r) => Object.keys(r.measured)).concat(Object.keys(required)))
  const measured: Record<string, number> = {}
  for (const name of names) measured[name] = seeds.reduce((s, r) => s + (r.measured[name] ?? NaN), 0) / seeds.length
  // A number that is NaN (a diverged run, a term that is missing) reaches nothing.
  const missed = Object.entries(required).flatMap(([name, least]) => (measured[name]! >= least ? [] : [name]))
  return { key, claim: check.claim, passed: missed.length === 0, missed, seeds, measured, required }
}

/** A training that diverges is an answer: none of the numbers is reached. */
async function learned(check: MethodCheck, lab: Lab): Promise<Record<string, number>> {
  try {
    return await check.measure(lab)
  } catch (error) {
    if (error instanceof StillroomError && error.code === 'goal-missed') return {}
    throw error
  }
}
