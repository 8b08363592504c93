import { OptionError } from '../errors.ts'
import { makeModel, type Model, type ValueInfo } from '../ir/index.ts'
import { newBuilder, TEMPLATE_OPSET } from '../ops/index.ts'
import { initialise } from './initialisers.ts'
import { parseQuery, splitSpec } from './spec.ts'
import type { Template } from './template.ts'
import { templates } from './templates/list.gen.ts'

export interface TemplateShape {
  /** Shape of one sample: channels, height, width; of any rank for templates that do not look at pixels. */
  input: readonly number[]
  classes: number
  seed: number
}

/** Every name that `buildTemplate` takes, without arguments. */
export const templateNames = (): string[] => templates.flatMap((t) => [...t.names]).sort()

export const findTemplate = (name: string): Template | undefined => templates.find((t) => t.names.includes(name))

/**
 * A fresh model of a template: `template:resnet-8`, `mobilenet-v2:0.5`, `mlp:256,128`, or with named options `resnet-8?width=2`.
 * Input 'input' [batch, ...input] float32, output 'logits' [batch, classes]. Equal seeds give equal weights.
 * The metadata `stillroom.taps` names the values where features can be compared.
 * Errors: OptionError for unknown names, wrong arguments and inputs without pixels.
 */
export function buildTemplate(spec: string, { input, classes, seed }: TemplateShape): Model {
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
  if (input.length !== 3 && !template.anyInput)
    throw new OptionError(`template '${spec}' takes images [channels, height, width], found samples of shape ${input.join('x')}`, {
      where: 'student',
      hint: `for other samples: ${templates
        .filter((t) => t.anyInput)
        .flatMap((t) => t.names)
        .join(', ')}`,
    })
  const b = newBuilder(TEMPLATE_OPSET)
  const x = b.input('input', 'float32', [1, ...input])
  const { logits, taps } = template.build(b, x, {
    classes,
    o: parsed.data,
    param: (param, shape, init) => b.constant(initialise(seed, param, shape, init), param),
  })
  const graph = b.build({ logits }, { name: template.id, dims: (_, [, ...rest]) => ['batch', ...rest] })
  // Built for one sample; the file takes any number of them.
  for (const value of graph.values.values()) graph.values.set(value.name, anyBatch(value))
  const metadata = new Map([
    ['stillroom.template', spec.replace(/^template:/, '')],
    [
      'stillroom.taps',
      Object.values(taps)
        .map((t) => t.name)
        .join(','),
    ],
  ])
  return makeModel(graph, TEMPLATE_OPSET, { metadata })
}

function anyBatch({ name, type }: ValueInfo): ValueInfo {
  if (type?.kind !== 'tensor' || !type.shape?.length) return { name, type }
  return { name, type: { ...type, shape: ['batch', ...type.shape.slice(1)] } }
}
