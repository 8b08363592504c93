import { z } from 'zod'
import type { Tensor } from '../../ops/index.ts'
import { OptionError } from '../../errors.ts'
import { truncatedNormal } from '../initialisers.ts'
import { dropout, linear, reshape } from '../layers.ts'
import { attention, dense, DEVIATION, feedForward, layerNorm, TRANSFORMER_OPSET } from '../transformer.ts'
import { defineTemplate } from '../template.ts'

const EPSILON = 1e-12
/** Added to the scores of padding before the softmax: enough to vanish, and finite in half precision too. */
const HIDDEN = 1e4

/**
 * BERT as a classifier of one text: post-norm blocks on tokens, places and segments, then the first token through a tanh layer. The
 * published BERT-mini has 4 layers, 256 wide, 4 heads.
 */
export default defineTemplate({
  id: 'bert-mini',
  names: ['bert-mini'],
  title: 'BERT, mini',
  paper: 'Devlin et al. 2019, arXiv:1810.04805; Turc et al. 2019, arXiv:1908.08962',
  takes: 'tokens',
  opset: TRANSFORMER_OPSET,
  options: z.strictObject({
    layers: z.number().int().min(1).max(64).default(4),
    width: z.number().int().min(1).max(4096).default(256),
    heads: z.number().int().min(1).max(64).default(4),
    dropout: z.number().min(0).lt(1).default(0.1),
  }),
  argument: 'layers, as in bert-mini:2',
  parse: (_, argument) => (argument === undefined ? {} : { layers: Number(argument) }),
  build(b, ids, ctx) {
    const { layers, width, heads, dropout: drop } = ctx.o
    if (width % heads)
      throw new OptionError(`template 'bert-mini' cannot give ${width} units to ${heads} heads`, { where: 'student' })
    const length = ids.shape[1]!
    const draw = truncatedNormal(DEVIATION)
    const look = (name: string, rows: number, at: Tensor) =>
      ctx.param(name, [rows, width], draw).emit('Gather', [at], { axis: 0 }, { names: [`${name}.rows`] })
    const words = look('words', ctx.vocabulary, ids).add(look('segments', 2, ctx.inputs.get('token_type_ids')!))
    const summed = words.add(ctx.param('places', [1, length, width], draw))
    let h = dropout(layerNorm(ctx, summed, 'embedding', EPSILON), drop, 'embedding.dropout')
    // [N, T] of 0 and 1 to [N, 1, 1, T] of -10000 and 0.
    const padding = ctx.inputs.get('attention_mask')!.cast('float32').unsqueeze([1, 2]).sub(1).mul(HIDDEN)
    const taps: Record<string, Tensor> = {}
    for (let i = 0; i < layers; i++) {
      const name = `block${i}`
      const seen = dropout(attention(ctx, h, `${name}.attention`, heads, padding, drop), drop, `${name}.dropout1`)
      const inner = layerNorm(ctx, h.add(seen), `${name}.norm1`, EPSILON)
      const made = dropout(feedForward(ctx, inner, `${name}.mlp`, 4 * width), drop, `${name}.dropout2`)
      h = taps[name] = layerNorm(ctx, inner.add(made), name, EPSILON)
    }
    const first = reshape(h.slice([0], [1], [1]), [0, width], 'first')
    const pooled = dense(ctx, first, 'pooler', width).emit('Tanh', [], {}, { names: ['pooled'] })
    return { logits: linear(ctx, dropout(pooled, drop, 'pooled.dropout'), 'logits', ctx.classes), taps: { ...taps, pooled } }
  },
})
