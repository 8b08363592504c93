import type { InputSpec, SampleKind } from '../data/index.ts'
import { OptionError } from '../errors.ts'
import { FIXED, makeModel, TensorData, type Model, type ValueInfo } from '../ir/index.ts'
import { newBuilder, TEMPLATE_OPSET, type Builder, type Tensor } from '../ops/index.ts'
import { initialise } from './initialisers.ts'
import { parseQuery, splitSpec } from './spec.ts'
import type { Template } from './template.ts'
import { templates } from './templates/list.gen.ts'

export interface TemplateShape {
  /** Shape of one sample: channels, height, width; of any rank for templates that do not look at pixels. */
  input: readonly number[]
  classes: number
  seed: number
  /** All inputs of a batch, whole, where there are several. */
  inputs?: readonly InputSpec[] | undefined
  /** What samples are, and what of them is to be predicted; images or tensors, and a class, when left out. */
  kind?: SampleKind | undefined
  target?: 'class' | 'values' | 'map' | undefined
  /** Of numbers to predict: their means and deviations, which the model's last nodes put back, so that a fresh model is about right. */
  output?: { mean: readonly number[]; std: readonly number[] } | undefined
  /** Tokens that there are, for texts. */
  vocabulary?: number | undefined
}

/** Sizes that stand for samples (nodes of a graph) and edges while a template is built; the file takes any number of them. */
const SAMPLES = 10_007
const EDGES = 20_011

/** Every name that `buildTemplate` takes, without arguments. */
export const templateNames = (): string[] => templates.flatMap((t) => [...t.names]).sort()

export const findTemplate = (name: string): Template | undefined => templates.find((t) => t.names.includes(name))

/**
 * A fresh model of a template: `template:resnet-8`, `mobilenet-v2:0.5`, `mlp:256,128`, or with named options `resnet-8?width=2`.
 * Input 'input' [batch, ...input] float32 (those of `Template.takes` for texts and graphs), output 'logits' [batch, classes], or
 * [batch, classes, height, width] of templates that answer for pixels. Equal seeds give equal weights.
 * The metadata `stillroom.taps` names the values where features can be compared.
 * Errors: OptionError for unknown names, wrong arguments and inputs without pixels.
 */
export function buildTemplate(spec: string, shape: TemplateShape): Model {
  const { input, classes, seed } = shape
  const { name, argument, query } = splitSpec(spec.replace(/^template:/, ''))
  const template = findTemplate(name)
  if (!template)
    throw new OptionError(`there is no template '${name}'`, { where: 'student', hint: `one of ${templateNames().join(', ')}` })
  const parsed = template.options.safeParse({ ...template.parse(name, argument), ...parseQuery(query) })
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    const field = issue?.path.length ? ` (${issue.path.join('.')})` : ''
    throw new OptionError(`template '${spec}': ${issue?.message ?? 'invalid argument'}${field}`, {
      where: 'student',
      hint: template.argument && `after the colon: ${template.argument}`,
    })
  }
  const whole = (n: number) => Number.isInteger(n) && n > 0
  if (!input.every(whole) || !whole(classes))
    throw new OptionError(`template '${spec}' needs positive whole sizes, found input ${input.join('x')} and ${classes} classes`, {
      where: 'student',
    })
  checkSamples(spec, template, shape)
  const opset = template.opset ?? TEMPLATE_OPSET
  const b = newBuilder(opset)
  const inputs = inputsOf(b, template, shape)
  const params = new Map<string, TensorData>()
  const { logits, taps } = template.build(b, inputs.values().next().value!, {
    classes,
    o: parsed.data,
    inputs,
    vocabulary: shape.vocabulary ?? 0,
    // An input while building: a bias of zeros that was known to be zeros would be simplified away.
    param(name, dims, init) {
      params.set(name, initialise(seed, name, dims, init))
      return b.input(name, 'float32', dims)
    },
  })
  const graph = b.build(shape.output ? { values: rescaled(logits, shape.output) } : { logits }, { name: template.id })
  for (const [name, data] of params) graph.initializers.set(name, data)
  graph.inputs = graph.inputs.filter((v) => !params.has(v.name))
  const free = (value: ValueInfo): ValueInfo => anyNumber(value, template.takes === 'graph' ? 'nodes' : 'batch')
  for (const value of graph.values.values()) graph.values.set(value.name, free(value))
  graph.inputs = graph.inputs.map(free)
  graph.outputs = graph.outputs.map(free)
  const metadata = new Map([
    ['stillroom.template', spec.replace(/^template:/, '')],
    [
      'stillroom.taps',
      Object.values(taps)
        .map((t) => t.name)
        .join(','),
    ],
  ])
  return makeModel(graph, opset, { metadata })
}

/** Errors: OptionError where the samples are not what the template takes, or another answer is wanted than it gives. */
function checkSamples(spec: string, template: Template, { input, kind = 'tensor', target = 'class' }: TemplateShape): void {
  const fitting = (fits: (t: Template) => boolean) => templates.filter(fits).flatMap((t) => t.names)
  const refuse = (message: string, fits: (t: Template) => boolean) =>
    new OptionError(`template '${spec}' ${message}`, { where: 'student', hint: `for these samples: ${fitting(fits).join(', ')}` })
  const given = kind === 'tokens' || kind === 'graph' ? kind : undefined
  if (template.takes !== given && (template.takes ?? (given === 'graph' ? given : undefined)))
    throw refuse(
      `takes ${template.takes ?? 'samples that do not hang together'}, found samples of kind '${kind}'`,
      (t) => t.takes === given,
    )
  if ((target === 'map') !== (template.pixels ?? false))
    throw refuse(
      target === 'map' ? 'answers for a whole sample, and the data wants it for each pixel' : 'answers for each pixel of a sample',
      (t) => (t.pixels ?? false) === (target === 'map'),
    )
  if (input.length !== 3 && !template.anyInput && !template.takes)
    throw refuse(`takes images [channels, height, width], found samples of shape ${input.join('x')}`, (t) => t.anyInput ?? false)
}

/** Answers in the unit of the data. The constants' names say that they are no weights. */
function rescaled(logits: Tensor, { mean, std }: NonNullable<TemplateShape['output']>): Tensor {
  const fixed = (name: string, values: readonly number[]) =>
    logits.b.constant(TensorData.from('float32', [values.length], values), `${FIXED}${name}`)
  return logits.mul(fixed('std', std)).emit('Add', [fixed('mean', mean)], {}, { names: ['values'] })
}

function inputsOf(b: Builder, { takes }: Template, { input, inputs = [] }: TemplateShape): Map<string, Tensor> {
  const ids = (name: string, shape: readonly number[]) => [name, b.input(name, 'int64', shape)] as const
  if (takes === 'tokens') return new Map(inputs.map(({ name }) => ids(name, [SAMPLES, ...input])))
  if (takes === 'graph')
    return new Map([['x', b.input('x', 'float32', [SAMPLES, ...input])] as const, ids('edge_index', [2, EDGES])])
  return new Map([['input', b.input('input', 'float32', [SAMPLES, ...input])]])
}

/** Dimensions that count samples or edges, by name. */
function anyNumber({ name, type }: ValueInfo, samples: string): ValueInfo {
  if (type?.kind !== 'tensor' || !type.shape) return { name, type }
  const named = (d: number | string): number | string => {
    if (d === SAMPLES) return samples
    if (d === EDGES) return 'edges'
    return typeof d === 'number' && d > 0 && d % SAMPLES === 0 ? `${samples}x${d / SAMPLES}` : d
  }
  return { name, type: { ...type, shape: type.shape.map(named) } }
}
