import { describe, expect, it } from 'vitest'
import { arrayDataSet } from '../data/index.ts'
import { makeGraph, makeModel, tensorType } from '../ir/index.ts'
import { newBuilder, type Tensor } from '../ops/index.ts'
import { createSession, Value } from '../session/index.ts'
import { bindInputs, rowsOf, targetRows, targetStatistics, taskLoss, taskOf, type Task } from './index.ts'

/** The loss of given answers and targets, computed by ONNX Runtime. */
async function lossOf(logits: [number[], number[]], y: [number[], number[]], task: Task, smoothing = 0): Promise<number> {
  const b = newBuilder()
  const array = ([shape, values]: [number[], number[]], name: string) => ({ t: b.input(name, 'float32', shape), shape, values })
  const [z, t] = [array(logits, 'z'), array(y, 'y')]
  const rows = rowsOf(z.t, task)
  const { target, labelSmoothing } = targetRows(t.t, task, rows.shape.at(-1)!, smoothing)
  const loss: Tensor = taskLoss(rows, target, task, labelSmoothing)
  const session = await createSession(b.model({ loss }), { threads: 1 })
  const feeds = Object.fromEntries([z, t].map(({ t, shape, values }) => [t.name, Value.from('float32', shape, values)]))
  const out = await session.run(feeds)
  await session.release()
  return Number(out.loss!.data[0])
}

/** -log softmax(z)_k. */
const nll = (z: number[], k: number) => Math.log(z.reduce((s, v) => s + Math.exp(v), 0)) - z[k]!

describe('losses by task', () => {
  it('of classes leave out samples without one', async () => {
    const z = [1, 2, 0, 5, 3, 1]
    const wanted = (nll([1, 2], 1) + nll([3, 1], 0)) / 2
    const got = await lossOf(
      [[3, 2], z],
      [
        [3, 2],
        [0, 1, 0, 0, 1, 0],
      ],
      { kind: 'class', partial: true },
    )
    expect(got).toBeCloseTo(wanted, 5)
    // With a share of 0.2 spread over both classes.
    const smooth = (row: number[], k: number) => 0.9 * nll(row, k) + 0.1 * nll(row, 1 - k)
    const smoothed = await lossOf(
      [[3, 2], z],
      [
        [3, 2],
        [0, 1, 0, 0, 1, 0],
      ],
      { kind: 'class', partial: true },
      0.2,
    )
    expect(smoothed).toBeCloseTo((smooth([1, 2], 1) + smooth([3, 1], 0)) / 2, 5)
  })

  it('of pixels are means over those with a class', async () => {
    // One picture of 1 x 3 pixels, two classes: logits [1, 2, 1, 3].
    const got = await lossOf(
      [
        [1, 2, 1, 3],
        [1, 2, 3, 4, 5, 7],
      ],
      [
        [1, 1, 3],
        [1, -1, 0],
      ],
      { kind: 'map' },
    )
    expect(got).toBeCloseTo((nll([1, 4], 1) + nll([3, 7], 0)) / 2, 5)
  })

  it('of numbers are squared errors in units of their deviation', async () => {
    const got = await lossOf(
      [
        [2, 2],
        [1, 10, 3, 30],
      ],
      [
        [2, 2],
        [2, 30, 3, 10],
      ],
      { kind: 'values', scale: [2, 10] },
    )
    expect(got).toBeCloseTo(((1 / 2) ** 2 + (20 / 10) ** 2 + 0 + (20 / 10) ** 2) / 4, 5)
  })

  it('take the deviation from the training samples', () => {
    const target = { kind: 'values' as const, names: ['a', 'b'], values: Float32Array.of(1, 5, 3, 5, 99, 99) }
    expect(targetStatistics(target, Int32Array.of(0, 1))).toEqual({ mean: [2, 5], std: [1, 1] })
    const set = arrayDataSet({ name: 't', format: 'test', shape: [1], data: new Float32Array(3), target })
    expect(taskOf(set, Int32Array.of(0, 1))).toEqual({ kind: 'values', scale: [1, 1] })
  })
})

describe('inputs', () => {
  const graphOf = (...names: string[]) => {
    const graph = makeGraph('g')
    graph.inputs = names.map((name) => ({ name, type: tensorType('int64', ['batch', 4]) }))
    return makeModel(graph, 17).graph
  }
  const data = ['input_ids', 'attention_mask', 'token_type_ids'].map((name) => ({ name }))
  const places = (...names: string[]) => bindInputs(graphOf(...names), data).map(({ from }) => from)

  it('go by name, without what exporters add to it, and the only one left by itself', () => {
    expect(places('attention_mask', 'input_ids')).toEqual([1, 0])
    expect(places('serving/input_ids:0', 'Attention_Mask')).toEqual([0, 1])
    expect(places('tokens')).toEqual([0])
    expect(places('tokens', 'attention_mask', 'token_type_ids')).toEqual([0, 1, 2])
  })

  it('that the data lacks are named', () => {
    expect(() => bindInputs(graphOf('x', 'state'), [{ name: 'x' }])).toThrow(
      "the model takes x, state; the data has x, nothing for 'state'",
    )
    expect(() => bindInputs(graphOf('a', 'b'), data)).toThrow(/nothing for 'a'/)
  })
})
