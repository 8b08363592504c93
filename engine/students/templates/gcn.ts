import { z } from 'zod'
import type { Tensor } from '../../ops/index.ts'
import { xavierUniform, zeros } from '../initialisers.ts'
import { dropout, relu } from '../layers.ts'
import { defineTemplate } from '../template.ts'

/**
 * Graph convolutional network for the classes of nodes: each layer is D^-1/2 (A + I) D^-1/2 H W + b, where A is given by its edges and D
 * holds the degrees of A + I. Edges are listed in both directions and without loops. Layers: hidden sizes, then the classes; ReLU between
 * them, dropout before each, weights Glorot uniform (section 5 of the paper).
 */
export default defineTemplate({
  id: 'gcn',
  names: ['gcn'],
  title: 'Graph convolutional network',
  paper: 'Kipf and Welling 2017, arXiv:1609.02907',
  takes: 'graph',
  options: z.strictObject({
    hidden: z.array(z.number().int().positive()).min(1).default([16]),
    dropout: z.number().min(0).lt(1).default(0.5),
  }),
  argument: 'hidden sizes, as in gcn:64 or gcn:64,32',
  parse: (_, argument) => (argument === undefined ? {} : { hidden: argument.split(',').map(Number) }),
  build(b, x, ctx) {
    const edges = ctx.inputs.get('edge_index')!
    const [from, to] = [0, 1].map((row) => edges.emit('Gather', [b.scalar(row, 'int64')], { axis: 0 }, { names: [`edge${row}`] }))
    const places = to!.unsqueeze([-1])
    const scatter = (onto: Tensor, values: Tensor, name: string) =>
      onto.emit('ScatterND', [places, values], { reduction: 'add' }, { names: [name] })
    // Sizes are not known while building: ones of the right length come from the inputs, which equal themselves.
    const ones = (v: Tensor) => v.equal(v).cast('float32')
    const scale = scatter(ones(x.sum([-1], true)), ones(places), 'degree')
      .sqrt()
      .reciprocal()

    const taps: Record<string, Tensor> = {}
    const layer = (h: Tensor, name: string, units: number): Tensor => {
      const w = ctx.param(`${name}.weight`, [h.shape[1]!, units], xavierUniform())
      const bias = ctx.param(`${name}.bias`, [units], zeros)
      const projected = dropout(h, ctx.o.dropout, `${name}.dropout`).emit('MatMul', [w], {}, { names: [`${name}.linear`] })
      const sent = projected.mul(scale)
      // The own value is the loop of A + I.
      const summed = scatter(sent, sent.gather(from!), `${name}.sum`)
      return summed.mul(scale).emit('Add', [bias], {}, { names: [name] })
    }
    let h = x
    ctx.o.hidden.forEach((units, i) => {
      h = taps[`hidden${i}`] = relu(layer(h, `layer${i}`, units), `hidden${i}`)
    })
    return { logits: layer(h, 'logits', ctx.classes), taps }
  },
})
