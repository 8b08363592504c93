import { z } from 'zod'
import type { Tensor } from '../../ops/index.ts'
import { uniform } from '../initialisers.ts'
import { dropout, linear, reshape } from '../layers.ts'
import { defineTemplate, type TemplateContext } from '../template.ts'

/**
 * One layer over time-major x [time, batch, features]. Weights and biases start uniform in +-1 / sqrt(hidden), the forget gate's input
 * bias at 1, so that the memory lasts from the start (Jozefowicz et al. 2015). Gates are stacked i, o, f, c, as ONNX wants them.
 */
function layer({ param }: TemplateContext<unknown>, x: Tensor, name: string, hidden: number): Tensor[] {
  const draw = uniform(1 / Math.sqrt(hidden))
  const w = param(`${name}.weight`, [1, 4 * hidden, x.shape[2]!], draw)
  const r = param(`${name}.recurrence`, [1, 4 * hidden, hidden], draw)
  const bias = param(`${name}.bias`, [1, 8 * hidden], (shape, stream) => draw(shape, stream).fill(1, 2 * hidden, 3 * hidden))
  return x.b.emit('LSTM', [x, w, r, bias], { hidden_size: hidden }, { names: [name, `${name}.last`], outputs: 2 })
}

/**
 * Long short-term memory for keyword spotting, over the frames of a spectrogram [channels, frames, filters]: the last state goes through
 * one linear layer. The paper's networks have one layer of 118 (small), 214 or 344 units.
 */
export default defineTemplate({
  id: 'lstm-kws',
  names: ['lstm-kws'],
  title: 'LSTM for keyword spotting',
  paper: 'Zhang et al. 2017, Hello Edge: keyword spotting on microcontrollers, arXiv:1711.07128',
  options: z.strictObject({
    hidden: z.number().int().min(1).max(2048).default(118),
    layers: z.number().int().min(1).max(8).default(1),
    dropout: z.number().min(0).lt(1).default(0),
  }),
  argument: 'units of a layer, as in lstm-kws:64',
  parse: (_, argument) => (argument === undefined ? {} : { hidden: Number(argument) }),
  build(_, x, ctx) {
    const [, channels, , filters] = x.shape as [number, number, number, number]
    // [N, C, time, filters] to [time, N, C x filters].
    let h = reshape(x.transpose([2, 0, 1, 3]), [0, 0, channels * filters], 'frames')
    const taps: Record<string, Tensor> = {}
    let last: Tensor = h
    for (let i = 0; i < ctx.o.layers; i++) {
      const [all, end] = layer(ctx, h, `layer${i}`, ctx.o.hidden) as [Tensor, Tensor]
      // [time, 1 direction, N, hidden] and [1 direction, N, hidden].
      h = all.squeeze([1])
      last = taps[`layer${i}`] = end.emit('Squeeze', [x.b.ints([0])], {}, { names: [`layer${i}.state`] })
    }
    return { logits: linear(ctx, dropout(last, ctx.o.dropout, 'dropout'), 'logits', ctx.classes), taps }
  },
})
