import { ints } from '../attrs.ts'
import { defineOp, PRIVATE, type Tie } from '../rule.ts'
import { convAttrs, explicit, geometry } from '../support/spatial.ts'

const product = (list: readonly number[]) => list.reduce((n, d) => n * d, 1)

/** Channels of a convolution: data and weights share them, output channels are the rows of the weight. */
function ties(x: readonly number[], w: readonly number[], group: number, bias: boolean): Tie[] {
  const depthwise = group > 1 && w[1] === 1
  const own: Tie[] = depthwise
    ? [{ a: ['x0', 1], b: ['x1', 0], repeat: w[0]! / x[1]! }]
    : group === 1
      ? [{ a: ['x0', 1], b: ['x1', 1] }]
      : []
  return [...own, { a: ['x1', 0], b: ['y0', 1] }, ...(bias ? [{ a: ['x1', 0], b: ['x2', 0] } as Tie] : [])]
}

/** y[n,o] = b[o] + sum over c and taps of x[n,c] * w[o,c]. Spec: onnx Conv-11 (1-D to 3-D, groups, strides, dilations, pads, auto_pad). */
export const Conv = defineOp({
  type: 'Conv',
  since: 11,
  attrs: convAttrs,
  infer({ x: [x, w], a, opt, fail }) {
    if (x.shape.length < 3 || x.shape.length !== w.shape.length)
      fail(`input of rank ${x.shape.length} and weight of rank ${w.shape.length} do not fit`)
    if (x.shape[1] !== w.shape[1]! * a.group)
      fail(`input has ${x.shape[1]} channels, the weight expects ${w.shape[1]! * a.group} (group ${a.group})`)
    if (w.shape[0]! % a.group) fail(`${w.shape[0]} output channels are not a multiple of group ${a.group}`)
    const bias = opt(2)
    if (bias && bias.shape[0] !== w.shape[0]) fail(`bias has ${bias.shape[0]} values for ${w.shape[0]} output channels`)
    const g = geometry(x.shape.slice(2), w.shape.slice(2), a)
    if (g.out.some((o) => o < 1)) fail(`the kernel is larger than the padded input`)
    return [{ dtype: x.dtype, shape: [x.shape[0]!, w.shape[0]!, ...g.out] }]
  },
  // dx = dy (*) flipped w, dw = x (*) dy: both stay one private operator until everything is differentiated.
  grad({ x: [x, w], dy: [dy], a, need, opt }) {
    const g = geometry(x.shape.slice(2), w.shape.slice(2), a)
    const attrs = explicit(g, a.group)
    return [
      need[0] ? dy.emit('ConvGradInput', [w], { ...attrs, input_shape: x.shape.slice(2) }, { domain: PRIVATE }) : null,
      need[1] ? x.emit('ConvGradWeight', [dy], attrs, { domain: PRIVATE }) : null,
      opt(2) && need[2] ? dy.sum([0, ...g.out.map((_, i) => i + 2)]) : null,
    ]
  },
  cost: ({ x: [, w], y: [y] }) => 2 * product(y.shape) * product(w.shape.slice(1)),
  channels: ({ x: [x, w, b], a }) => ties(x.shape, w.shape, a.group, b !== undefined),
  quant: { inputs: [0, 1], weight: { input: 1, axis: 0 } },
  examples: [
    { x: [[2, 3, 6, 5], [4, 3, 3, 3], [4]], a: { pads: [1, 1, 1, 1] } },
    {
      x: [
        [1, 4, 7, 6],
        [6, 2, 3, 2],
      ],
      a: { group: 2, strides: [2, 1], pads: [1, 0, 0, 1] },
    },
    {
      x: [
        [2, 4, 6, 6],
        [4, 1, 3, 3],
      ],
      a: { group: 4, dilations: [2, 2], pads: [2, 2, 2, 2] },
    },
    {
      x: [
        [1, 2, 6, 6],
        [3, 2, 3, 3],
      ],
      a: { strides: [2, 2], auto_pad: 'SAME_UPPER' },
    },
    {
      x: [
        [1, 2, 7],
        [3, 2, 3],
      ],
      a: { strides: [3] },
    },
    {
      x: [
        [1, 2, 3, 4, 3],
        [2, 2, 2, 2, 2],
      ],
    },
  ],
})

/** Gradient of Conv to its input: the adjoint of convolution by `w`. Inputs dy [N,O,..], w [O,C/group,..]; output [N,C,input_shape]. */
export const ConvGradInput = defineOp({
  type: 'ConvGradInput',
  domain: PRIVATE,
  since: 1,
  attrs: { ...convAttrs, input_shape: ints() },
  infer: ({ x: [dy, w], a }) => [{ dtype: dy.dtype, shape: [dy.shape[0]!, w.shape[1]! * a.group, ...a.input_shape!] }],
  // Linear in both: its adjoints are the other two of the trio.
  grad({ x: [dy, w], dy: [ddx], a, need }) {
    const { input_shape: _, ...attrs } = a
    return [
      need[0] ? ddx.emit('Conv', [w], attrs) : null,
      need[1] ? ddx.emit('ConvGradWeight', [dy], attrs, { domain: PRIVATE }) : null,
    ]
  },
  cost: ({ x: [dy, w] }) => 2 * product(dy.shape) * product(w.shape.slice(1)),
  examples: [],
})

/** Gradient of Conv to its weight. Inputs x [N,C,..], dy [N,O,..]; output [O,C/group,kernel]. */
export const ConvGradWeight = defineOp({
  type: 'ConvGradWeight',
  domain: PRIVATE,
  since: 1,
  attrs: convAttrs,
  infer: ({ x: [x, dy], a }) => [{ dtype: x.dtype, shape: [dy.shape[1]!, x.shape[1]! / a.group, ...a.kernel_shape!] }],
  grad: ({ x: [x, dy], dy: [ddw], a, need }) => [
    need[0] ? dy.emit('ConvGradInput', [ddw], { ...a, input_shape: x.shape.slice(2) }, { domain: PRIVATE }) : null,
    need[1] ? x.emit('Conv', [ddw], { ...a }) : null,
  ],
  cost: ({ x: [x, dy], a }) => 2 * product(dy.shape) * (x.shape[1]! / a.group) * product(a.kernel_shape!),
  examples: [],
})

/** The adjoint of Conv with weight [C_in, C_out/group, ..]. Spec: onnx ConvTranspose-11. */
export const ConvTranspose = defineOp({
  type: 'ConvTranspose',
  since: 11,
  attrs: { ...convAttrs, output_padding: ints(), output_shape: ints() },
  infer({ x: [x, w], a, fail }) {
    if (x.shape[1] !== w.shape[0]) fail(`input has ${x.shape[1]} channels, the weight expects ${w.shape[0]}`)
    return [
      { dtype: x.dtype, shape: [x.shape[0]!, w.shape[1]! * a.group, ...transposed(x.shape.slice(2), w.shape.slice(2), a).size] },
    ]
  },
  grad({ x: [x, w], dy: [dy], a, need, opt }) {
    const t = transposed(x.shape.slice(2), w.shape.slice(2), a)
    const attrs = {
      kernel_shape: t.kernel,
      strides: t.strides,
      dilations: t.dilations,
      pads: [...t.begin, ...t.end],
      group: a.group,
    }
    return [
      need[0] ? dy.emit('Conv', [w], attrs) : null,
      need[1] ? dy.emit('ConvGradWeight', [x], attrs, { domain: PRIVATE }) : null,
      opt(2) && need[2] ? dy.sum([0, ...t.size.map((_, i) => i + 2)]) : null,
    ]
  },
  expand({ x: [x, w], a, opt }) {
    const t = transposed(x.shape.slice(2), w.shape.slice(2), a)
    const attrs = {
      kernel_shape: t.kernel,
      strides: t.strides,
      dilations: t.dilations,
      pads: [...t.begin, ...t.end],
      group: a.group,
      input_shape: t.size,
    }
    const y = x.emit('ConvGradInput', [w], attrs, { domain: PRIVATE })
    const bias = opt(2)
    return [bias ? y.add(bias.reshape([1, bias.size, ...t.size.map(() => 1)])) : y]
  },
  cost: ({ x: [x, w] }) => 2 * product(x.shape) * product(w.shape.slice(1)),
  channels: ({ x: [, , b], a }) => [
    { a: ['x0', 1], b: ['x1', 0] },
    ...(a.group === 1 ? [{ a: ['x1', 1], b: ['y0', 1] } as Tie, ...(b ? [{ a: ['x1', 1], b: ['x2', 0] } as Tie] : [])] : []),
  ],
  quant: { inputs: [0, 1], weight: { input: 1, axis: 1 } },
  examples: [
    { x: [[2, 3, 4, 3], [3, 2, 3, 3], [2]], a: { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 1] } },
    {
      x: [
        [1, 1, 3, 3],
        [1, 2, 3, 3],
      ],
      a: { strides: [3, 2], output_shape: [10, 8] },
    },
    {
      x: [
        [1, 4, 3, 3],
        [4, 2, 2, 2],
      ],
      a: { group: 2, strides: [2, 1] },
    },
    {
      x: [
        [1, 2, 5],
        [2, 3, 3],
      ],
      a: { dilations: [2] },
    },
    {
      x: [
        [1, 2, 3, 4],
        [2, 2, 3, 2],
      ],
      a: { strides: [2, 2], auto_pad: 'SAME_UPPER' },
    },
    {
      x: [
        [1, 2, 3, 3],
        [2, 2, 4, 3],
      ],
      a: { strides: [2, 3], auto_pad: 'SAME_LOWER' },
    },
    {
      x: [
        [1, 2, 2, 3, 2],
        [2, 1, 2, 2, 3],
      ],
      a: { strides: [2, 1, 2], pads: [0, 1, 1, 1, 0, 0] },
    },
  ],
})

/** Output size and pads of a transposed convolution, `auto_pad` and `output_shape` resolved. */
function transposed(
  size: readonly number[],
  kernelOf: readonly number[],
  a: {
    auto_pad: string
    kernel_shape?: readonly number[] | undefined
    strides?: readonly number[] | undefined
    dilations?: readonly number[] | undefined
    pads?: readonly number[] | undefined
    output_padding?: readonly number[] | undefined
    output_shape?: readonly number[] | undefined
  },
) {
  const n = size.length
  const kernel = a.kernel_shape ?? kernelOf
  const strides = a.strides ?? Array<number>(n).fill(1)
  const dilations = a.dilations ?? Array<number>(n).fill(1)
  const begin: number[] = []
  const end: number[] = []
  const out: number[] = []
  for (let i = 0; i < n; i++) {
    const extra = a.output_padding?.[i] ?? 0
    const full = strides[i]! * (size[i]! - 1) + extra + (kernel[i]! - 1) * dilations[i]! + 1
    const same = a.auto_pad.startsWith('SAME')
    const wanted = a.output_shape?.slice(-n)[i] ?? (same ? Math.min(full, size[i]! * strides[i]!) : undefined)
    if (wanted === undefined) {
      begin.push(a.auto_pad === 'VALID' ? 0 : (a.pads?.[i] ?? 0))
      end.push(a.auto_pad === 'VALID' ? 0 : (a.pads?.[i + n] ?? 0))
    } else {
      const total = Math.max(0, full - wanted)
      const small = Math.floor(total / 2)
      begin.push(a.auto_pad === 'SAME_UPPER' ? small : total - small)
      end.push(total - begin[i]!)
    }
    // A wanted size beyond the full one is reached by zeros at the end.
    out.push(wanted ?? full - begin[i]! - end[i]!)
  }
  return { kernel, strides, dilations, begin, end, size: out }
}
