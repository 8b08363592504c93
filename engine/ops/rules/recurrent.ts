import { int } from '../attrs.ts'
import { defineOp } from '../rule.ts'
import type { Tensor } from '../tensor.ts'
import {
  inferRecurrent,
  recurrentAttrs,
  recurrentCost,
  recurrentTies,
  unrollRecurrent,
  type Cell,
  type Direction,
} from '../support/recurrent.ts'
import { activationsOf, stacked } from '../support/recurrentActivations.ts'

const directions = (r: Tensor): number => r.shape[0]!
/** h R^T + c, or c alone where the state is zero. */
const recur = (h: Tensor | undefined, r: Tensor, c: Tensor): Tensor => (h ? h.gemm(r, { transB: true, c }) : c)
const both = (d: Direction): Tensor | undefined => d.bias && d.bias.w.add(d.bias.r)

/** H = f(X W^T + H' R^T + biases). */
function rnnCell(d: Direction): Cell {
  const [f] = d.activations
  return { bias: both(d), step: (xt, [h]) => [f!(recur(h, d.r, xt))] }
}

/**
 * z = f(..), r = f(..), n = g(X Wh^T + r (H' Rh^T + bRh) + bWh) with linear_before_reset, else g(X Wh^T + (r H') Rh^T + biases);
 * H = (1 - z) n + z H'.
 */
function gruCell(d: Direction, linearFirst: boolean): Cell {
  const { hidden: n, bias } = d
  const [f, g] = d.activations
  const parts = [2 * n, n]
  const [rzr, rh] = d.r.split(parts, 0)
  const [, biasH] = bias?.r.split(parts, 0) ?? []
  const gates = (zr: Tensor, xh: Tensor, h: Tensor | undefined): Tensor[] => {
    const [z, r] = stacked(f!, recur(h, rzr!, zr), 2)
    const inner = linearFirst
      ? h
        ? xh.add(r!.mul(h.gemm(rh!, { transB: true, c: biasH })))
        : biasH
          ? xh.add(r!.mul(biasH))
          : xh
      : recur(h && r!.mul(h), rh!, xh)
    const candidate = g!(inner)
    return [h ? candidate.add(z!.mul(h.sub(candidate))) : candidate.sub(z!.mul(candidate))]
  }
  // The recurrent bias of the candidate stays inside the reset product when that comes last.
  const first = linearFirst ? bias && biasBeforeReset(bias, parts) : both(d)
  return {
    bias: first,
    step(xt, [h]) {
      const [zr, xh] = xt.split(parts, 1)
      return gates(zr!, xh!, h)
    },
  }
}

function biasBeforeReset(bias: { w: Tensor; r: Tensor }, parts: readonly number[]): Tensor {
  const [zr] = bias.r.split(parts, 0)
  return bias.w.add(zr!.pad([0, parts[1]!]))
}

/**
 * i, o, f = sigmoid-like gates with peepholes to the cell (o to the new one), c = g(..); C = f C' + i c, H = o h(C).
 * Rows of the weights are stacked i, o, f, c. With input_forget, f = 1 - i.
 */
function lstmCell(d: Direction, coupled: boolean): Cell {
  const { hidden: n, p } = d
  const [f, g, act] = d.activations
  const [pi, po, pf] = p?.split([n, n, n], 0) ?? []
  const look = (gate: Tensor, c: Tensor | undefined, weight: Tensor | undefined) => (c && weight ? gate.add(c.mul(weight)) : gate)
  return {
    bias: both(d),
    step(xt, [h, c]) {
      const [iof, block] = recur(h, d.r, xt).split([3 * n, n], 1)
      const candidate = g!(block!)
      let [i, o, forget]: (Tensor | undefined)[] = []
      if (p) {
        const [gi, go, gf] = iof!.split([n, n, n], 1)
        i = f!(look(gi!, c, pi))
        o = go
        if (!coupled) forget = f!(look(gf!, c, pf))
      } else [i, o, forget] = stacked(f!, iof!, 3)
      if (coupled) forget = i!.rsub(1)
      const kept = i!.mul(candidate)
      const cell = c ? forget!.mul(c).add(kept) : kept
      const open = p ? f!(look(o!, cell, po)) : o!
      return [open.mul(act!.bare(cell)), cell]
    },
  }
}

const int32 = (...values: number[]) => ({ shape: [values.length], dtype: 'int32' as const, values })

/**
 * The simple recurrent layer. Inputs X [time, batch, input], W [dirs, hidden, input], R [dirs, hidden, hidden], B [dirs, 2 hidden],
 * sequence_lens [batch], initial_h [dirs, batch, hidden]; outputs Y [time, dirs, batch, hidden] and Y_h. Spec: onnx RNN-22.
 */
export const RNN = defineOp({
  type: 'RNN',
  since: 7,
  attrs: recurrentAttrs,
  infer: (ctx) => inferRecurrent(ctx, 1, 1),
  grad: 'expand',
  expand: (ctx) => unrollRecurrent(ctx, 'RNN', 1, activationsOf(ctx.a, directions(ctx.x[2]), ['Tanh']), rnnCell),
  cost: ({ x }) => recurrentCost(x, 1),
  channels: recurrentTies,
  examples: [
    {
      x: [
        [4, 2, 3],
        [1, 5, 3],
        [1, 5, 5],
      ],
      a: { hidden_size: 5 },
      outputs: 2,
    },
    {
      x: [[3, 2, 3], [1, 4, 3], [1, 4, 4], [1, 8], null, [1, 2, 4]],
      a: { hidden_size: 4, direction: 'reverse', activations: ['Sigmoid'] },
      outputs: 2,
    },
    {
      x: [[4, 3, 2], [2, 3, 2], [2, 3, 3], [2, 6], int32(2, 4, 1), [2, 3, 3]],
      a: {
        hidden_size: 3,
        direction: 'bidirectional',
        activations: ['Affine', 'Sigmoid'],
        activation_alpha: [0.3],
        activation_beta: [0.1],
      },
      outputs: 2,
    },
    {
      x: [
        [3, 2, 3],
        [1, 4, 3],
        [1, 4, 4],
      ],
      a: { hidden_size: 4, clip: 20, activations: ['ScaledTanh'], activation_alpha: [1.2], activation_beta: [0.7] },
    },
  ],
})

/**
 * Gated recurrent units (Cho et al. 2014). As RNN with 3 gates stacked z, r, h. Spec: onnx GRU-22.
 */
export const GRU = defineOp({
  type: 'GRU',
  since: 7,
  attrs: { ...recurrentAttrs, linear_before_reset: int(0) },
  infer: (ctx) => inferRecurrent(ctx, 3, 1),
  grad: 'expand',
  expand: (ctx) =>
    unrollRecurrent(ctx, 'GRU', 1, activationsOf(ctx.a, directions(ctx.x[2]), ['Sigmoid', 'Tanh']), (d) =>
      gruCell(d, ctx.a.linear_before_reset !== 0),
    ),
  cost: ({ x }) => recurrentCost(x, 3),
  channels: recurrentTies,
  examples: [
    {
      x: [
        [4, 2, 3],
        [1, 12, 3],
        [1, 12, 4],
      ],
      a: { hidden_size: 4 },
      outputs: 2,
    },
    {
      x: [[3, 2, 3], [1, 9, 3], [1, 9, 3], [1, 18], null, [1, 2, 3]],
      a: { hidden_size: 3, direction: 'reverse', linear_before_reset: 1 },
      outputs: 2,
    },
    {
      x: [[4, 3, 2], [2, 9, 2], [2, 9, 3], [2, 18], int32(4, 2, 0), [2, 3, 3]],
      a: { hidden_size: 3, direction: 'bidirectional', clip: 20 },
      outputs: 2,
    },
    {
      x: [
        [3, 2, 3],
        [1, 6, 3],
        [1, 6, 2],
        [1, 12],
      ],
      a: {
        hidden_size: 2,
        linear_before_reset: 1,
        activations: ['Sigmoid', 'ScaledTanh'],
        activation_alpha: [0.8],
        activation_beta: [1.1],
      },
    },
  ],
})

/**
 * Long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000). As RNN with 4 gates stacked i, o, f, c;
 * further inputs initial_c and the peepholes P [dirs, 3 hidden] (i, o, f), a further output Y_c. Spec: onnx LSTM-22.
 */
export const LSTM = defineOp({
  type: 'LSTM',
  since: 7,
  attrs: { ...recurrentAttrs, input_forget: int(0) },
  infer: (ctx) => inferRecurrent(ctx, 4, 2),
  grad: 'expand',
  expand: (ctx) =>
    unrollRecurrent(ctx, 'LSTM', 2, activationsOf(ctx.a, directions(ctx.x[2]), ['Sigmoid', 'Tanh', 'Tanh']), (d) =>
      lstmCell(d, ctx.a.input_forget !== 0),
    ),
  cost: ({ x }) => recurrentCost(x, 4),
  channels: recurrentTies,
  examples: [
    {
      x: [
        [4, 2, 3],
        [1, 12, 3],
        [1, 12, 3],
      ],
      a: { hidden_size: 3 },
      outputs: 3,
    },
    {
      x: [[3, 2, 3], [1, 12, 3], [1, 12, 3], [1, 24], null, [1, 2, 3], [1, 2, 3], [1, 9]],
      a: { hidden_size: 3, direction: 'reverse' },
      outputs: 3,
    },
    {
      x: [[4, 3, 2], [2, 8, 2], [2, 8, 2], [2, 16], int32(3, 4, 1), [2, 3, 2], [2, 3, 2]],
      a: { hidden_size: 2, direction: 'bidirectional', clip: 20 },
      outputs: 3,
    },
    {
      x: [[3, 2, 3], [1, 12, 3], [1, 12, 3], [1, 24], int32(0, 2), [1, 2, 3], [1, 2, 3], [1, 9]],
      a: {
        hidden_size: 3,
        input_forget: 1,
        activations: ['Sigmoid', 'ScaledTanh', 'Affine'],
        activation_alpha: [0.8, 0.9],
        activation_beta: [1.1, 0.1],
      },
      outputs: 3,
    },
  ],
})
