import type { TensorData } from '../ir/index.ts'
import type { Builder, Tensor } from '../ops/index.ts'
import { rolesOf } from './parameters.ts'
import type { Held, StepSpec } from './program.ts'

/** Prefix of the student's parameters in a training's state. */
export const PARAM = 'param/'

/**
 * Parameters as the student's network takes them: trained numbers, or what the methods make of those (rounded weights). Undefined for initializers that
 * are no parameters.
 */
export function seenParameters(
  b: Builder,
  { student, methods }: Pick<StepSpec, 'student' | 'methods'>,
  held: Held,
): (name: string, data: TensorData) => Tensor | undefined {
  const { parameters } = rolesOf(student.model.graph)
  const weights = parameters.filter((name) => student.model.graph.initializers.get(name)!.dims.length > 1)
  const known = new Set(parameters)
  return (name, data) => {
    if (!known.has(name)) return undefined
    let t = held(PARAM + name, data.dims, data.as('float32'))
    for (const { method, options } of methods)
      if (method.parameter)
        t = method.parameter(
          {
            b,
            p: t,
            first: data,
            name,
            weight: weights.includes(name) ? { index: weights.indexOf(name), of: weights.length } : undefined,
            param: (own, values) => held(`extra/${method.key}/${name}/${own}`, values.dims, values),
          },
          options,
        )
    return t
  }
}

/** Whether a training's parameters are not those that its network takes. */
export const changesParameters = (methods: StepSpec['methods']): boolean => methods.some((m) => m.method.parameter !== undefined)
