import type { CommandOutput, FullRecipe } from '../../engine/commands/contract/index.ts'
import { app } from '../app/app.svelte.ts'
import { learnMetrics } from '../format/metrics.svelte.ts'
import { fileName } from '../format/units.ts'
import { run } from '../run/run.svelte.ts'

export type Catalogue = CommandOutput<'catalogue'>
export type Cost = CommandOutput<'plan.cost'>
export type Forecast = CommandOutput<'plan.forecast'>
export type StudentKind = 'template' | 'width' | 'file'

/** What the person fills in: a recipe in its long form, with the sections that can be left out switched on and off. */
interface Draft {
  name: string
  teacher: string
  data: string
  split: number
  labels: 'on' | 'off'
  preprocess: string
  student: { kind: StudentKind; template: string; argument: string; width: number; file: string; fresh: boolean }
  methods: { key: string; options: Record<string, unknown> }[]
  train: Record<string, unknown>
  quantize: Record<string, unknown> | undefined
  benchmark: boolean
  export: boolean
  goals: { name: string; bound: 'atLeast' | 'atMost'; value: number | null }[]
  seed: number
}

const fresh = (): Draft => ({
  name: '',
  teacher: '',
  data: '',
  split: 0.8,
  labels: 'on',
  preprocess: 'auto',
  student: { kind: 'template', template: 'small-cnn', argument: '', width: 0.5, file: '', fresh: false },
  methods: [],
  train: { epochs: 20, batch: 64 },
  quantize: undefined,
  benchmark: false,
  export: false,
  goals: [],
  seed: 0,
})

/** A run to be: what is trained, from what, how; what it would cost; how long it would take. */
class Plan {
  draft = $state<Draft>(fresh())
  catalogue = $state.raw<Catalogue>()
  cost = $state.raw<Cost>()
  costError = $state.raw<unknown>()
  costBusy = $state(false)
  forecast = $state.raw<Forecast>()
  forecastBusy = $state(false)
  error = $state.raw<unknown>()
  starting = $state(false)
  #costs = 0

  readonly student = $derived.by(() => {
    const { kind, template, argument, width, file, fresh } = this.draft.student
    if (kind === 'template') return `template:${template}${argument.trim() ? `:${argument.trim()}` : ''}`
    if (kind === 'width') return `width:${width}`
    return file && `${file}${fresh ? '?init=fresh' : ''}`
  })
  /** What is missing before it can start, in words. */
  readonly missing = $derived([
    ...(this.draft.data ? [] : ['data']),
    ...(this.student ? [] : ['a student']),
    ...(this.draft.methods.length > 0 && !this.draft.teacher ? ['a teacher for its methods'] : []),
    ...(this.draft.student.kind === 'width' && !this.draft.teacher ? ['a teacher to scale'] : []),
  ])
  /** What costs depend on; a change asks for them anew. */
  readonly subject = $derived(
    JSON.stringify([
      this.draft.teacher,
      this.draft.data,
      this.student,
      this.draft.split,
      this.draft.labels,
      this.draft.preprocess,
      this.draft.seed,
    ]),
  )

  async open(): Promise<void> {
    if (this.catalogue) return
    this.#recall()
    try {
      this.catalogue = await app.call('catalogue', {})
      learnMetrics(this.catalogue.metrics)
    } catch (error) {
      this.error = error
    }
  }

  /** The plan that was started last is there again after a restart, unless a new one was begun meanwhile. */
  #recall(): void {
    const last = app.settings.view['plan'] as Draft | undefined
    if (last?.student && JSON.stringify(this.draft) === JSON.stringify(fresh())) this.draft = { ...fresh(), ...last }
  }

  useTeacher(path: string): void {
    this.draft.teacher = path
    if (this.draft.methods.length === 0) this.draft.methods = [{ key: 'hinton-kd', options: {} }]
  }

  useData(path: string): void {
    this.draft.data = path
  }

  /** The training's input, shared by cost, forecast and start. Empty fields are left out: the engine has the defaults. */
  #subjectInput() {
    const { teacher, data, split, labels, preprocess, seed } = this.draft
    return { ...(teacher ? { teacher } : {}), data, student: this.student, split, labels, preprocess, seed }
  }

  #trainInput(): Record<string, unknown> {
    return Object.fromEntries(
      Object.entries($state.snapshot(this.draft.train)).filter(([, v]) => v !== null && v !== undefined && v !== ''),
    )
  }

  #methodsInput() {
    const methods = $state.snapshot(this.draft.methods)
    const option = Object.fromEntries(
      methods.flatMap(({ key, options }) => Object.entries(options).map(([name, value]) => [`${key}.${name}`, value])),
    )
    return methods.length > 0 && this.draft.teacher ? { method: methods.map(({ key }) => key), option } : {}
  }

  /** Ask what the student would cost. Answers to older questions are dropped. */
  async price(): Promise<void> {
    const asked = ++this.#costs
    this.cost = undefined
    this.costError = undefined
    this.forecast = undefined
    if (!this.draft.data || !this.student || (this.draft.student.kind === 'width' && !this.draft.teacher)) return
    this.costBusy = true
    try {
      const cost = await app.call('plan.cost', this.#subjectInput())
      if (asked === this.#costs) this.cost = cost
    } catch (error) {
      if (asked === this.#costs) this.costError = error
    } finally {
      if (asked === this.#costs) this.costBusy = false
    }
  }

  async measure(): Promise<void> {
    this.forecastBusy = true
    this.error = undefined
    try {
      this.forecast = await app.call('plan.forecast', {
        ...this.#subjectInput(),
        ...this.#methodsInput(),
        ...this.#trainInput(),
      })
    } catch (error) {
      this.error = error
    } finally {
      this.forecastBusy = false
    }
  }

  /** The plan as a recipe, the document that the command line runs too. */
  recipe(): Record<string, unknown> {
    const { name, teacher, data, split, labels, preprocess, methods, quantize, benchmark, goals, seed } = $state.snapshot(
      this.draft,
    )
    const set = goals.filter((goal) => goal.name && goal.value !== null)
    return {
      ...(name.trim() ? { name: name.trim() } : {}),
      ...(teacher ? { teacher } : {}),
      data: { path: data, split, labels, preprocess },
      student: {
        from: this.draft.student.kind === 'file' ? this.draft.student.file : this.student,
        weights: this.draft.student.fresh ? 'fresh' : 'keep',
      },
      methods,
      train: this.#trainInput(),
      ...(quantize ? { quantize: Object.fromEntries(Object.entries(quantize).filter(([, v]) => v !== null && v !== '')) } : {}),
      ...(quantize || benchmark || set.length > 0 ? { evaluate: {} } : {}),
      ...(benchmark ? { benchmark: {} } : {}),
      ...(this.draft.export ? { export: { variants: ['fp32', 'int8', 'ort'] } } : {}),
      ...(set.length > 0 ? { goals: Object.fromEntries(set.map((goal) => [goal.name, { [goal.bound]: goal.value }])) } : {}),
      seed,
    }
  }

  /** Whether more than training is asked for: then the whole pipeline runs. */
  readonly pipeline = $derived(
    this.draft.quantize !== undefined ||
      this.draft.benchmark ||
      this.draft.export ||
      this.draft.goals.some((goal) => goal.value !== null),
  )

  async start(): Promise<void> {
    if (this.missing.length > 0) return
    this.starting = true
    this.error = undefined
    const title =
      this.draft.name.trim() ||
      `${this.draft.student.kind === 'file' ? fileName(this.draft.student.file) : this.student.replace('template:', '')} on ${fileName(this.draft.data)}`
    try {
      const methods = this.#methodsInput()
      const name = this.draft.name.trim() ? { name: this.draft.name.trim() } : {}
      const job = this.pipeline
        ? await app.door.jobs.add('compress', { document: this.recipe() }, { title })
        : 'method' in methods
          ? await app.door.jobs.add('distill', { ...this.#subjectInput(), ...methods, ...this.#trainInput(), ...name }, { title })
          : await app.door.jobs.add(
              'train',
              { ...this.#subjectInput(), teacher: undefined, ...this.#trainInput(), ...name },
              { title },
            )
      const forecasts = (app.settings.view['forecasts'] ?? {}) as Record<string, number>
      void app.remember({
        plan: $state.snapshot(this.draft),
        ...(this.forecast ? { forecasts: { ...forecasts, [job.id]: this.forecast.seconds } } : {}),
      })
      run.showJob(job.id)
      app.go('run')
    } catch (error) {
      this.error = error
    } finally {
      this.starting = false
    }
  }

  async save(): Promise<void> {
    const path = await app.door.pickSave('recipe', `${this.draft.name.trim() || 'recipe'}.json`)
    if (!path) return
    try {
      await app.door.writeText(path, `${JSON.stringify(this.recipe(), null, 2)}\n`)
      app.note(`Saved ${fileName(path)}`)
    } catch (error) {
      app.fail(error)
    }
  }

  async pick(): Promise<void> {
    const path = await app.door.pickFile('recipe')
    if (path) await this.load(path)
  }

  async load(path: string): Promise<void> {
    this.error = undefined
    try {
      const before: Draft = $state.snapshot(this.draft)
      const { recipe } = await app.call('recipe.read', { recipe: path })
      this.draft = draftOf(recipe as unknown as FullRecipe)
      app.note(`Loaded ${fileName(path)}`, { undo: () => (this.draft = before) })
    } catch (error) {
      this.error = error
    }
  }

  clear(): void {
    const before: Draft = $state.snapshot(this.draft)
    this.draft = fresh()
    app.note('The plan is empty again', { undo: () => (this.draft = before) })
  }
}

/** A recipe in the form that the page edits. */
function draftOf(recipe: FullRecipe): Draft {
  const { from, weights } = recipe.student
  const base = fresh()
  const [scheme = '', name = '', ...rest] = from.split(':')
  const student: Draft['student'] =
    scheme === 'template'
      ? { ...base.student, kind: 'template', template: name, argument: rest.join(':') }
      : scheme === 'width'
        ? { ...base.student, kind: 'width', width: Number(name) }
        : { ...base.student, kind: 'file', file: from, fresh: weights === 'fresh' }
  return {
    ...base,
    name: recipe.name ?? '',
    teacher: recipe.teacher ?? '',
    data: recipe.data.path,
    split: recipe.data.split,
    labels: recipe.data.labels,
    preprocess: recipe.data.preprocess,
    student,
    methods: recipe.methods.map(({ key, options }) => ({ key, options })),
    train: { ...recipe.train },
    quantize: recipe.quantize && { ...recipe.quantize },
    benchmark: recipe.benchmark !== undefined,
    export: recipe.export !== undefined,
    goals: Object.entries(recipe.goals).flatMap(([goal, bounds]) =>
      (['atLeast', 'atMost'] as const).flatMap((bound) =>
        bounds[bound] === undefined ? [] : [{ name: goal, bound, value: bounds[bound] }],
      ),
    ),
    seed: recipe.seed,
  }
}

export const plan = new Plan()
