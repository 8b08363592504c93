import { OptionError } from '../errors.ts'
import type { Model } from '../ir/index.ts'
import { readModel } from '../onnx/index.ts'
import { buildTemplate, findTemplate, templateNames, type TemplateShape } from './buildTemplate.ts'
import { normalise } from './normalise.ts'
import { reinitialise } from './reinitialise.ts'
import { scaleWidth } from './scaleWidth.ts'
import { parseQuery, splitSpec } from './spec.ts'

export interface StudentContext extends TemplateShape {
  /** The teacher, for students that are made from it. */
  teacher?: Model | undefined
}

const FORMS = 'a .onnx file, template:NAME, or width:0.5 of the teacher'

/**
 * The student of a description:
 * - `net.onnx`: the file with its weights; `net.onnx?init=fresh` draws new ones;
 * - `template:resnet-8`, or just `resnet-8`: a fresh model of a template;
 * - `width:0.5`: the teacher with half of its hidden channels and new weights; `width:0.5?init=slice` keeps the first units' weights.
 * Equal seeds give equal weights. Errors: OptionError where the description is none of these, and those of what it names.
 */
export async function loadStudent(spec: string, ctx: StudentContext): Promise<Model> {
  const [path = '', query = ''] = spec.split(/\?(.*)/s)
  if (path.endsWith('.onnx')) {
    const init = initOf(query, ['keep', 'fresh'], spec)
    const model = await readModel(path)
    return init === 'fresh' ? reinitialise(normalise(model), ctx.seed) : model
  }
  const { name, argument } = splitSpec(spec)
  if (name === 'width') return widthOf(spec, argument, query, ctx)
  if (name === 'template' || findTemplate(name)) return buildTemplate(spec, ctx)
  throw new OptionError(`'${spec}' is no student`, {
    where: 'student',
    hint: `${FORMS}; templates are ${templateNames().join(', ')}`,
  })
}

function widthOf(spec: string, argument: string | undefined, query: string, { teacher, input, seed }: StudentContext): Model {
  if (!teacher)
    throw new OptionError(`'${spec}' is made from a teacher, and there is none`, {
      where: 'student',
      hint: 'name one with --teacher',
    })
  const width = Number(argument)
  if (!(width > 0)) throw new OptionError(`'${spec}' has no width`, { where: 'student', hint: 'as in width:0.5' })
  return scaleWidth(teacher, width, { input, seed, init: initOf(query, ['fresh', 'slice'], spec) as 'fresh' | 'slice' })
}

/** The `init` of a query, the first of `allowed` where it is left out. */
function initOf(query: string, allowed: readonly [string, ...string[]], spec: string): string {
  const { init = allowed[0], ...rest } = parseQuery(query)
  const unknown = Object.keys(rest)[0]
  if (unknown === undefined && typeof init === 'string' && allowed.includes(init)) return init
  throw new OptionError(`'${spec}': ${unknown === undefined ? `init=${String(init)}` : unknown} is not known`, {
    where: 'student',
    hint: `init is one of ${allowed.join(', ')}`,
  })
}
