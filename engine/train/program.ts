import { gradientsOrNone } from '../autodiff/index.ts'
import type { InputSpec } from '../data/index.ts'
import { OptionError } from '../errors.ts'
import { isFloat, type Model, type TensorData } from '../ir/index.ts'
import { inlineGraph, newBuilder, withFedDraws, type Builder, type DrawKind, type FedDraw, type Tensor } from '../ops/index.ts'
import { applyPasses, lower, recompute, rewrites, type Target } from '../passes/index.ts'
import type { LossContext, Method, Network, Term } from '../methods/index.ts'
import type { Optimizer } from '../optim/index.ts'
import { bindInputs, constantOf, takesOneSample, withoutBatch, type BoundInput } from './bindInputs.ts'
import type { FakeQuantization } from './fakeQuantize.ts'
import { finish, type InPlaceUpdate } from './finish.ts'
import { PARAM } from './seen.ts'
import { trainable } from './student.ts'
import { rowsOf, targetRows, taskLoss, type Task } from './task.ts'

/** A network: a model at the working opset with a free batch dimension, or, of a teacher, one of a fixed batch. */
export interface Net {
  model: Model
  logits: string
  /** Values tapped for feature losses. */
  features: readonly string[]
  /** Samples that the model takes at a time, exactly; any number when left out. Such a network runs apart from the step graph. */
  group?: number | undefined
}

export interface StepSpec {
  student: Net
  /** In the graph, or fed as logits (`fed`: their shape for one batch). */
  teacher: { net: Net } | { fed: readonly number[] } | undefined
  /** Inputs of one batch, whole; the first leads with the batch. */
  inputs: readonly InputSpec[]
  /** Shape of the target of one batch; undefined without labels. */
  targetShape: readonly number[] | undefined
  task: Task
  methods: readonly { method: Method; options: unknown }[]
  stage: string
  optimizer: Optimizer
  optimizerOptions: Record<string, unknown>
  weightDecay: number
  momentum: number
  clip: number | undefined
  ema: boolean
  labelSmoothing: number
  /** `accumulate` only sums gradients; `update` adds the last ones and steps. `both` is the usual step. */
  mode: 'both' | 'accumulate' | 'update'
  /** Batches in one optimizer step. */
  accumulate: number
  target: Target
  /** Compute most of the forward pass a second time instead of keeping it: memory grows with the square root of the depth. */
  recompute?: boolean | undefined
  /** Rounds the student's weights and values as integers would. */
  qat?: FakeQuantization | undefined
  /** Statistics of batch norms no longer move, and normalise instead of the batch's. */
  frozen?: boolean | undefined
  /** The graph ends in gradients, and the native addon updates. No method may have an update rule of its own then. */
  inPlace?: boolean | undefined
}

/** How a state tensor begins: given values, a Kaiming normal draw, zeros, or the values of another one. */
export type Init = TensorData | { fan: number } | { sameAs: string } | 'zeros'

/** A compiled training step. State goes in as `name` and comes out as `next/name`, gradients for an update in place as `grad/name`. */
export interface Program {
  model: Model
  /** Data inputs: which of the batch's, under which name and element type. */
  inputs: readonly BoundInput[]
  /** State inputs with their initial values: parameters, statistics, optimizer slots, averages, extra parameters. */
  state: ReadonlyMap<string, { dims: readonly number[]; init: Init }>
  /** State that this program changes. */
  changes: readonly string[]
  /** Loss terms by name, output `loss/name`; `total` among them. */
  losses: readonly string[]
  /** Names of the dropout masks and their keep probability. */
  masks: readonly Mask[]
  /** Inputs that are filled with fresh random numbers for every step. */
  draws: readonly Draw[]
  /** The update, where it is not part of the graph. */
  inPlace: InPlaceUpdate | undefined
}

export interface Mask {
  name: string
  shape: readonly number[]
  ratio: number
}

/** Standard normal numbers, or uniform ones in [0, 1), of float32. */
export interface Draw {
  name: string
  shape: readonly number[]
  kind: DrawKind
}

const WITHOUT_COPIES = rewrites.filter((pass) => pass.id === 'drop-identity')

/** Compiles one training step: forward, losses, gradients, optimizer, statistics, averages. */
export function compileStep(spec: StepSpec): Program {
  const b = newBuilder()
  const state = new Map<string, { dims: readonly number[]; init: Init }>()
  const held = (name: string, dims: readonly number[], init: Init) => {
    const known = state.has(name)
    if (known) return b.inputs.find((t) => t.name === name)!
    state.set(name, { dims, init })
    return b.input(name, 'float32', dims)
  }
  const next = new Map<string, Tensor>()
  const data = dataInputs(b, spec)
  const y = spec.targetShape && b.input('y', 'float32', spec.targetShape)
  const masks: Mask[] = []
  const draws: Draw[] = []
  const fed: FedDraw = (kind, shape) => {
    const t = b.input(`draw/${draws.length}`, 'float32', shape)
    draws.push({ name: t.name, shape, kind })
    return t
  }

  const student = trainable(b, spec, fedTo(spec.student, spec, data), { held, masks, draw: fed })
  const network = tap(student.values, spec.student, spec)
  const teacher = frozen(b, spec, data, fed)
  const terms = lossTerms(b, spec, { student: network, teacher, y, held })
  if (student.clips.length && spec.qat) {
    const size = sum(student.clips.map((alpha) => alpha.square().sum()))
    terms.set('clips', { value: size, weight: spec.qat.clipDecay, group: terms.values().next().value?.group ?? '' })
  }
  const weighted = new Map([...terms].map(([name, t]) => [name, t.weight === undefined ? t.value : t.value.mul(t.weight)]))
  const total = sum([...weighted.values()])

  const trained = [...state.keys()].filter((n) => n.startsWith(PARAM) || n.startsWith('extra/'))
  const tensors = trained.map((name) => b.inputs.find((t) => t.name === name)!)
  const groups = groupsOf(terms, weighted, spec)
  const forward = b.steps.length
  const grads = new Map([...groups].map(([group, loss]) => [group, gradientsOrNone(loss, tensors)]))
  const aside = (name: string, dims: readonly number[], init: Init) => void state.set(name, { dims, init })
  const given = new Map<string, Tensor>()
  const inPlace = finish(b, spec, { trained, tensors, grads, held, aside, next, outputs: given })

  // Statistics move with every batch, but only those of layers that the loss reaches.
  const reached = new Set(b.reachable([total]).map((s) => s.index))
  for (const s of student.statistics) if (reached.has(s.now.step)) next.set(s.name, s.next)

  const outputs: Record<string, Tensor> = Object.fromEntries(given)
  for (const [name, t] of next) outputs[`next/${name}`] = t
  for (const [name, t] of weighted) outputs[`loss/${name}`] = t
  outputs['loss/total'] = total
  const kept = spec.recompute ? recompute(b, Object.values(outputs), forward) : { b, at: (t: Tensor) => t }
  const lowered = lower(kept.b, Object.values(outputs).map(kept.at), spec.target)
  const written = lowered.b.model(Object.fromEntries(Object.entries(outputs).map(([name, t]) => [name, lowered.at(kept.at(t))])), {
    name: 'training_step',
  })
  // An output that is another name of a value would be a copy of it in every step: of each moment and average, for instance.
  const { model } = applyPasses(written, WITHOUT_COPIES)
  return {
    model,
    inputs: data.flatMap((d) => (d.t.value ? [] : [d.bound])),
    state,
    changes: [...next.keys()],
    losses: [...weighted.keys(), 'total'],
    masks,
    draws,
    inPlace,
  }
}

export type Held = (name: string, dims: readonly number[], init: Init) => Tensor

const sum = (list: readonly Tensor[]): Tensor => list.slice(1).reduce((s, t) => s.add(t), list[0]!)

/** What the networks are fed, in the element type of whoever takes it first: the student, then a teacher inside the step. */
function dataInputs(b: Builder, { student, teacher, inputs, target }: StepSpec): { bound: BoundInput; t: Tensor }[] {
  const nets = [student, ...(teacher && 'net' in teacher ? [teacher.net] : [])]
  const wanted = new Map<number, BoundInput>()
  for (const { model } of nets)
    for (const bound of bindInputs(model.graph, inputs)) if (!wanted.has(bound.from)) wanted.set(bound.from, bound)
  return [...wanted.values()].map(({ dtype: asked, from }) => {
    // WebGPU has no kernels on int64 but for moving it; the lowering keeps what comes of an int32 narrow.
    const dtype = target.provider === 'webgpu' && asked === 'int64' ? 'int32' : asked
    const name = from === 0 ? 'x' : `x/${inputs[from]!.name}`
    // Edges of a graph, say: operators whose output shapes depend on them can be compiled.
    const known = target.provider === 'cpu' ? constantOf(b, inputs[from]!, dtype) : undefined
    return { bound: { name, dtype, from }, t: known ?? b.input(name, dtype, inputs[from]!.shape) }
  })
}

/** The step's data under the names of one model. */
const fedTo = (net: Net, spec: StepSpec, data: readonly { bound: BoundInput; t: Tensor }[]): Map<string, Tensor> =>
  new Map(
    bindInputs(net.model.graph, spec.inputs).map(({ name, dtype, from, single }) => {
      const { t } = data.find((d) => d.bound.from === from)!
      const own = single && withoutBatch(t.shape, name) ? t.squeeze([0]) : t
      return [name, own.dtype === dtype ? own : own.cast(dtype)]
    }),
  )

function tap(values: ReadonlyMap<string, Tensor>, net: Net, { task, inputs }: StepSpec): Network {
  const find = (name: string): Tensor => {
    const t = values.get(name)
    if (!t)
      throw new OptionError(`the model has no value named '${name}'`, {
        where: 'pairs',
        hint: '`stillroom inspect` lists the layers',
      })
    return t
  }
  const answer = find(net.logits)
  // All of the answer belongs to the only sample.
  const logits = takesOneSample(net.model.graph, inputs) ? answer.reshape([1, answer.size]) : rowsOf(answer, task)
  return { logits, features: net.features.map(find) }
}

function frozen(b: Builder, spec: StepSpec, data: readonly { bound: BoundInput; t: Tensor }[], draw: FedDraw): Network | undefined {
  const { teacher } = spec
  if (!teacher) return undefined
  if ('fed' in teacher) return { logits: rowsOf(b.input('teacher/logits', 'float32', teacher.fed), spec.task), features: [] }
  const values = inlineGraph(b, teacher.net.model.graph, fedTo(teacher.net, spec, data), {
    initializer: (name, data) =>
      isFloat(data.dtype) && data.size > 64 ? b.constant(data.as('float32'), `teacher/${name}`) : undefined,
    node: (node, inputs) => withFedDraws(node, inputs, draw),
  })
  const network = tap(values, teacher.net, spec)
  return { logits: network.logits.detach(), features: network.features.map((f) => f.detach()) }
}

function lossTerms(
  b: Builder,
  spec: StepSpec,
  nets: { student: Network; teacher: Network | undefined; y: Tensor | undefined; held: Held },
): Map<string, Term> {
  const out = new Map<string, Term>()
  const { student, teacher, y, held } = nets
  const rows = y && targetRows(y, spec.task, student.logits.shape.at(-1)!, spec.labelSmoothing)
  const target = rows?.target
  const labelSmoothing = rows?.labelSmoothing ?? 0
  if (!spec.methods.length) {
    if (!target)
      throw new OptionError('training without a teacher needs labels', {
        where: 'labels',
        hint: 'use --labels on, or distill from a teacher',
      })
    out.set('label', { value: taskLoss(student.logits, target, spec.task, labelSmoothing) })
  }
  for (const { method, options } of spec.methods) {
    if (!teacher) throw new OptionError(`method '${method.key}' needs a teacher`, { where: 'teacher' })
    if (spec.task.kind === 'values' && method.compares !== 'values')
      throw new OptionError(`method '${method.key}' compares class scores, and the data has numbers to predict`, {
        where: 'method',
      })
    if (method.needs.labels === 'required' && !target)
      throw new OptionError(`method '${method.key}' needs labels`, { where: 'labels' })
    const ctx: LossContext = {
      b,
      student,
      teacher,
      target: method.needs.labels === 'unused' ? undefined : target,
      labelSmoothing,
      scalar: (name) =>
        b.inputs.find((t) => t.name === `scalar/${method.key}/${name}`) ?? b.input(`scalar/${method.key}/${name}`, 'float32', []),
      param: (name, shape, fan) => held(`extra/${method.key}/${name}`, shape, { fan }),
      stage: spec.stage,
    }
    for (const [name, term] of Object.entries(method.loss(ctx, options)))
      out.set(spec.methods.length > 1 ? `${method.key}/${name}` : name, term)
  }
  return out
}

function groupsOf(terms: ReadonlyMap<string, Term>, weighted: ReadonlyMap<string, Tensor>, spec: StepSpec): Map<string, Tensor> {
  const separate = spec.methods.some((m) => m.method.update)
  const groups = new Map<string, Tensor>()
  for (const [name, term] of terms) {
    const group = separate ? (term.group ?? '') : ''
    const t = weighted.get(name)!
    groups.set(group, groups.has(group) ? groups.get(group)!.add(t) : t)
  }
  return groups
}
