import { z } from 'zod'
import { flatten, linear, relu } from '../layers.ts'
import { defineTemplate } from '../template.ts'

/** Fully connected layers with ReLU: `mlp` has one hidden layer of 256 and one of 128 units, `mlp:64` one of 64. */
export default defineTemplate({
  id: 'mlp',
  names: ['mlp'],
  title: 'Multilayer perceptron',
  paper: 'Rumelhart, Hinton, Williams 1986, Learning representations by back-propagating errors',
  anyInput: true,
  options: z.strictObject({ hidden: z.array(z.number().int().positive()).min(1).default([256, 128]) }),
  argument: 'hidden sizes, as in mlp:256,128',
  parse: (_, argument) => (argument === undefined ? {} : { hidden: argument.split(',').map(Number) }),
  build(_, x, ctx) {
    const hidden = ctx.o.hidden.map((units, i) => ({ name: `hidden${i}`, units }))
    const taps: Record<string, typeof x> = {}
    let h = flatten(x, 'flat')
    for (const { name, units } of hidden) h = taps[name] = relu(linear(ctx, h, `${name}.linear`, units, true), name)
    return { logits: linear(ctx, h, 'logits', ctx.classes), taps }
  },
})
