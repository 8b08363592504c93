import { beforeAll, describe, expect, it } from 'vitest'
import { gradients } from '../autodiff/index.ts'
import type { Model } from '../ir/index.ts'
import { batchNorm, concat, newBuilder, where, type ConvOptions, type Tensor } from '../ops/index.ts'
import { random } from '../random.ts'
import { blockSize, createSession, Value } from '../session/index.ts'
import { lower } from './index.ts'

/** Shapes of x and w, and how they are convolved. Channels that fill no block, odd sizes and every stride are among them. */
const CONVS: Record<string, { x: number[]; w: number[]; o: ConvOptions }> = {
  'an image of 3 channels': { x: [16, 3, 9, 8], w: [16, 3, 3, 3], o: { pads: [1, 1, 1, 1] } },
  'whole blocks': { x: [16, 32, 6, 6], w: [16, 32, 3, 3], o: { pads: [1, 1, 1, 1] } },
  'channels that fill no block': { x: [16, 20, 6, 5], w: [24, 20, 3, 3], o: { pads: [1, 1, 1, 1] } },
  'half a block': { x: [16, 8, 6, 5], w: [8, 8, 3, 3], o: { pads: [1, 0, 1, 2] } },
  'a batch that fills no block': { x: [5, 16, 6, 6], w: [16, 16, 3, 3], o: { pads: [1, 1, 1, 1] } },
  'stride 2': { x: [16, 16, 8, 8], w: [32, 16, 3, 3], o: { pads: [1, 1, 1, 1], strides: [2, 2] } },
  'stride 2, odd size': { x: [16, 16, 7, 8], w: [16, 16, 3, 3], o: { pads: [1, 1, 1, 1], strides: [2, 2] } },
  'stride 2, kernel 1': { x: [16, 16, 8, 8], w: [32, 16, 1, 1], o: { strides: [2, 2] } },
  'stride 3, kernel 5': { x: [16, 16, 9, 9], w: [16, 16, 5, 5], o: { pads: [1, 1, 3, 3], strides: [3, 3] } },
  'strides of two sizes': { x: [16, 16, 6, 8], w: [16, 16, 3, 4], o: { pads: [1, 1, 1, 2], strides: [1, 2] } },
  dilation: { x: [16, 16, 9, 9], w: [16, 16, 3, 3], o: { pads: [2, 2, 2, 2], dilations: [2, 2] } },
  'kernel 1': { x: [16, 16, 5, 5], w: [32, 16, 1, 1], o: {} },
  depthwise: { x: [3, 32, 7, 6], w: [32, 1, 3, 3], o: { pads: [1, 1, 1, 1], group: 32 } },
  'depthwise, stride 2': { x: [3, 16, 8, 8], w: [16, 1, 3, 3], o: { pads: [1, 1, 1, 1], strides: [2, 2], group: 16 } },
  'depthwise, stride 2, odd size': { x: [3, 16, 7, 9], w: [16, 1, 3, 3], o: { pads: [1, 1, 1, 1], strides: [2, 2], group: 16 } },
  'depthwise, 24 channels': { x: [3, 24, 6, 6], w: [24, 1, 5, 3], o: { pads: [2, 1, 2, 1], group: 24 } },
  'depthwise, dilated': { x: [2, 16, 9, 9], w: [16, 1, 3, 3], o: { pads: [2, 2, 2, 2], dilations: [2, 2], group: 16 } },
}

/** What comes after the convolution: everything that has a blocked form. */
const TAILS: Record<string, (y: Tensor, b: Tensor['b']) => Tensor> = {
  nothing: (y) => y,
  'batch norm, rectifier': (y, b) => batchNorm(y, b.full([y.shape[1]!], 1.5), b.full([y.shape[1]!], 0.25), 1e-5)[0]!.relu(),
  'group norm': (y, b) => {
    const c = y.shape[1]!
    const vector = (from: number) =>
      b.array(
        'float32',
        [c],
        Float32Array.from({ length: c }, (_, i) => from + i / 16),
      )
    const normed = y.add(0.5).emit('GroupNormalization', [vector(0.5), vector(-1)], { num_groups: 4, epsilon: 1e-5 })
    return normed.mul(normed.sigmoid())
  },
  'joined channels': (y) => {
    const [first, second] = concat([y, y.tanh()], 1).split([y.shape[1]!, y.shape[1]!], 1)
    return first!.mul(second!.sigmoid())
  },
  'a residual': (y) => y.sigmoid().mul(y).add(y.tanh()).relu(),
  'max pool': (y) => (y.shape[2]! % 2 || y.shape[3]! % 2 ? y : y.maxPool({ kernel: [2, 2], strides: [2, 2] })),
  'squeeze and excitation': (y) => y.mul(y.mean([2, 3], true).sigmoid()),
  'a channel bias and scale': (y, b) => {
    const v = b.array(
      'float32',
      [1, y.shape[1]!, 1, 1],
      Float32Array.from({ length: y.shape[1]! }, (_, i) => 0.5 + i / 8),
    )
    return y.mul(v).sub(v).add(v.mul(3))
  },
  'a choice': (y) => where(y.less(0), y.mul(0.1), y.clip(0, 1)),
  'a global pool': (y) => y.emit('GlobalAveragePool').mul(y),
}

function network(conv: keyof typeof CONVS, tail: keyof typeof TAILS, block: number): Model {
  const b = newBuilder()
  const { x: xs, w: ws, o } = CONVS[conv]!
  const [x, w] = [b.input('x', 'float32', xs), b.input('w', 'float32', ws)]
  const y = TAILS[tail]!(x.conv(w, undefined, o), b)
  const weights = new Float32Array(y.size)
  random(1, 'r').fillNormal(weights, 0, 1)
  const f = y.mul(b.array('float32', y.shape, weights)).sum()
  const outputs = { f, dx: gradients(f, [x])[0]!, dw: gradients(f, [w])[0]! }
  const lowered = lower(b, Object.values(outputs), { provider: 'cpu', block })
  return lowered.b.model(Object.fromEntries(Object.entries(outputs).map(([name, t]) => [name, lowered.at(t)])))
}

describe('blocked kernels give what plain ones give', async () => {
  const block = await blockSize()
  let feeds: (conv: keyof typeof CONVS) => Record<string, Value>
  beforeAll(() => {
    const draw = (dims: readonly number[], name: string) => {
      const data = new Float32Array(dims.reduce((n, d) => n * d, 1))
      random(2, name).fillNormal(data, 0, 0.5)
      return Value.of('float32', dims, data)
    }
    feeds = (conv) => ({ x: draw(CONVS[conv]!.x, 'x'), w: draw(CONVS[conv]!.w, 'w') })
  })
  const run = async (model: Model, conv: keyof typeof CONVS) => {
    const session = await createSession(model, { threads: 1 })
    const out = await session.run(feeds(conv))
    await session.release()
    return Object.fromEntries(Object.entries(out).map(([k, v]) => [k, Array.from(v.data as Float32Array)]))
  }
  const compare = async (conv: keyof typeof CONVS, tail: keyof typeof TAILS) => {
    const model = network(conv, tail, block)
    expect(model.graph.nodes.some((n) => n.domain === 'com.microsoft.nchwc' && n.op === 'Conv')).toBe(true)
    const [plain, fast] = [await run(network(conv, tail, 1), conv), await run(model, conv)]
    for (const name of ['f', 'dx', 'dw']) {
      const [p, q] = [plain[name]!, fast[name]!]
      const size = Math.sqrt(p.reduce((s, v) => s + v * v, 0) / p.length)
      const worst = p.reduce((m, v, i) => Math.max(m, Math.abs(v - q[i]!)), 0)
      expect(worst / (size + 1e-3), `${name} of ${conv}, then ${tail}`).toBeLessThan(2e-4)
    }
  }
  it.skipIf(block === 1).each(Object.keys(CONVS))('%s', async (conv) => {
    await compare(conv, 'nothing')
    await compare(conv, 'batch norm, rectifier')
  })
  it.skipIf(block === 1).each(Object.keys(TAILS))('then %s', async (tail) => {
    for (const conv of ['whole blocks', 'channels that fill no block', 'depthwise']) await compare(conv, tail)
  })
})
