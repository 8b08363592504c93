import { showShape } from '../../ir/index.ts'
import { int } from '../attrs.ts'
import { defineOp } from '../rule.ts'
import { tieAxes } from '../support/axes.ts'

/** The first `sequence_lens[i]` steps of row i in reverse, the others as they are. It is its own inverse. */
export const ReverseSequence = defineOp({
  type: 'ReverseSequence',
  since: 10,
  attrs: { batch_axis: int(1), time_axis: int(0) },
  infer({ x: [x, lengths], a, fail }) {
    if (lengths.shape[0] !== x.shape[a.batch_axis])
      fail(`${showShape(lengths.shape)} lengths for axis ${a.batch_axis} of ${showShape(x.shape)}`)
    return [{ dtype: x.dtype, shape: x.shape }]
  },
  grad: ({ x: [, lengths], dy: [dy], a }) => [dy.emit('ReverseSequence', [lengths], { ...a })],
  cost: () => 0,
  channels: ({ x: [x] }) => tieAxes(x.shape.length, () => true),
  examples: [
    { x: [[4, 3], { shape: [3], dtype: 'int64', values: [4, 1, 3] }] },
    { x: [[2, 4, 2], { shape: [2], dtype: 'int64', values: [2, 4] }], a: { batch_axis: 0, time_axis: 1 } },
  ],
})
