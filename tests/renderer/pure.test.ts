import { describe, expect, it } from 'vitest'
import { findBlocks } from '../../renderer/graph/blocks.ts'
import { kindOf } from '../../renderer/graph/kinds.ts'
import { buildScene } from '../../renderer/graph/scene.ts'
import { big, bytes, duration, fileName, milliseconds, percent, short } from '../../renderer/format/units.ts'
import { accuracyOfForecasts } from '../../renderer/plan/forecasts.ts'
import { formFields } from '../../renderer/parts/schema.ts'
import { Pyramid } from '../../renderer/charts/pyramid.ts'
import { Curves } from '../../renderer/run/curves.ts'
import { frontOf } from '../../renderer/runs/pareto.ts'

describe('repeated blocks', () => {
  const repeat = (text: string, times: number): string[] => [...text.repeat(times)]

  it('finds each occurrence, and leaves what stands alone', () => {
    const blocks = findBlocks(['x', ...repeat('abc', 4), 'y'])
    expect(blocks.map(({ start, end }) => [start, end])).toEqual([
      [1, 4],
      [4, 7],
      [7, 10],
      [10, 13],
    ])
    expect(blocks.map(({ nth, of }) => `${nth}/${of}`)).toEqual(['1/4', '2/4', '3/4', '4/4'])
  })

  it('takes the shortest period of equal cover, and nothing shorter than asked for', () => {
    expect(findBlocks(repeat('abcd', 4)).map(({ start }) => start)).toEqual([0, 4, 8, 12])
    expect(findBlocks(repeat('ab', 1))).toEqual([])
    expect(findBlocks(repeat('ab', 2))).toEqual([])
    expect(findBlocks([...'abcdefgh'])).toEqual([])
  })

  it('looks through 10,000 nodes in well under a second', () => {
    const start = performance.now()
    expect(findBlocks(repeat('abcdefghij', 1000))).toHaveLength(1000)
    expect(performance.now() - start).toBeLessThan(1000)
  })
})

describe('the scene of a graph', () => {
  const chain = Array.from({ length: 6 }, (_, i) => ({
    name: `n${i}`,
    op: 'Relu',
    inputs: i ? [`v${i - 1}`] : ['in'],
    outputs: [`v${i}`],
  }))

  it('joins nodes by the values between them', () => {
    const { boxes, edges } = buildScene(chain, [], new Set())
    expect(boxes).toHaveLength(6)
    expect(edges.map(({ from, to }) => [from, to])).toEqual([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]]) // prettier-ignore
  })

  it('draws a closed block as one box, an open one as its nodes, and no edge from a box to itself', () => {
    const blocks = [
      { start: 0, end: 3, nth: 1, of: 2 },
      { start: 3, end: 6, nth: 2, of: 2 },
    ]
    const closed = buildScene(chain, blocks, new Set())
    expect(closed.boxes.map(({ nodes }) => nodes.length)).toEqual([3, 3])
    expect(closed.edges.map(({ from, to }) => [from, to])).toEqual([[0, 1]])
    expect([...closed.boxOf]).toEqual([0, 0, 0, 1, 1, 1])
    const half = buildScene(chain, blocks, new Set([1]))
    expect(half.boxes.map(({ nodes }) => nodes.length)).toEqual([3, 1, 1, 1])
    expect(half.edges.map(({ from, to }) => [from, to])).toEqual([[0, 1], [1, 2], [2, 3]]) // prettier-ignore
  })

  it('leaves out constants and values that are left out', () => {
    const nodes = [
      { name: 'a', op: 'Conv', inputs: ['x', 'w', ''], outputs: ['y', ''] },
      { name: 'b', op: 'Add', inputs: ['y', 'y'], outputs: ['z'] },
    ]
    expect(buildScene(nodes, [], new Set()).edges.map(({ from, to }) => [from, to])).toEqual([[0, 1]])
  })

  it.each([
    ['Conv', 'product'],
    ['com.microsoft.FusedConv', 'product'],
    ['BatchNormalization', 'norm'],
    ['Relu', 'activation'],
    ['Reshape', 'shape'],
    ['Loop', 'other'],
  ])('%s is drawn as %s', (op, kind) => expect(kindOf(op)).toBe(kind))
})

describe('numbers with their units', () => {
  it.each([
    [bytes(0), '0 B'],
    [bytes(1536), '1.5 KiB'],
    [bytes(1023), '1.0 KiB'],
    [bytes(1024 ** 3 * 2), '2.0 GiB'],
    [bytes(undefined), '–'],
    [big(999), '999'],
    [big(376_938), '377 k'],
    [big(2_756_960), '2.76 M'],
    [duration(0.0123), '12 ms'],
    [duration(59.6), '60 s'],
    [duration(3725), '1 h 02 min'],
    [duration(200), '3 min 20 s'],
    [duration(NaN), '–'],
    [percent(0.98765), '98.77 %'],
    [milliseconds(0.01234), '0.012 ms'],
    [short(0), '0'],
    [short(0.00012345), '0.000123'],
    [short(0.000012), '1.20e-5'],
    [short(1234567), '1.23e6'],
    [short(null), '–'],
    [fileName('/a/b/c.onnx'), 'c.onnx'],
    [fileName('C:\\models\\c.onnx'), 'c.onnx'],
    [fileName('/a/folder/'), 'folder'],
  ])('%s', (shown, expected) => expect(shown).toBe(expected))
})

describe('the Pareto front', () => {
  const points = [
    { x: 1, y: 1 },
    { x: 2, y: 3 },
    { x: 2, y: 2 },
    { x: 3, y: 3 },
    { x: 4, y: 5 },
  ]
  const front = (lower: boolean) => frontOf(points, (p) => p.x, (p) => p.y, lower).map(({ x, y }) => [x, y]) // prettier-ignore

  it('keeps what nothing else beats', () => {
    expect(front(false)).toEqual([[1, 1], [2, 3], [4, 5]]) // prettier-ignore
    expect(front(true)).toEqual([[1, 1]])
  })
})

describe('the points of a growing curve', () => {
  const wave = (i: number): number =>
    i % 977 === 0 ? NaN : i === 61_803 ? 900 : i === 31_415 ? -900 : Math.sin(i / 500) + (i % 7) / 10

  it('are those of its parts that stand out, however it grew', () => {
    const [values, pyramid]: [number[], Pyramid] = [[], new Pyramid()]
    for (let i = 0; i < 100_000; i++) {
      values.push(wave(i))
      pyramid.push(values)
    }
    const kept = pyramid.kept()
    expect(kept.length).toBeGreaterThan(250)
    expect(kept.length).toBeLessThan(1100)
    expect(kept).toEqual([...new Set(kept)].sort((a, b) => a - b))
    expect(kept).toEqual(expect.arrayContaining([0, 31_415, 61_803, 99_999]))
    // Between two kept points nothing is outside of what their part's extremes say: the picture of 200 columns is the same.
    const column = (indices: readonly number[]) =>
      Array.from({ length: 195 }, (_, c) => {
        const inside = indices.filter((i) => Math.floor(i / 512) === c && Number.isFinite(values[i])).map((i) => values[i]!)
        return [inside.reduce((a, b) => Math.min(a, b)), inside.reduce((a, b) => Math.max(a, b))]
      })
    expect(column(kept)).toEqual(column([...values.keys()]))
  })

  it('are all points while there are few', () => {
    const [values, pyramid]: [number[], Pyramid] = [[], new Pyramid()]
    for (const v of [3, 1, NaN, 2]) {
      values.push(v)
      pyramid.push(values)
    }
    expect(pyramid.kept()).toEqual([0, 1, 2, 3])
  })
})

describe('curves', () => {
  it('go back with a resumed run', () => {
    const curves = new Curves()
    for (const step of [1, 2, 3, 4, 5]) curves.add('train', 'total', step, step)
    for (const step of [4, 5, 6]) curves.add('train', 'total', step, -step)
    expect(curves.get('train', 'total')).toMatchObject({ steps: [1, 2, 3, 4, 5, 6], values: [1, 2, 3, -4, -5, -6] })
    expect(curves.get('train', 'total').shown.kept()).toEqual([0, 1, 2, 3, 4, 5])
    expect(curves.of('validation')).toEqual([])
  })
})

describe('forms from schemas', () => {
  it('know each kind of field, with its bounds and default', () => {
    const fields = formFields({
      properties: {
        temperature: { type: 'number', exclusiveMinimum: 0, default: 4, description: 'Softens' },
        steps: { type: 'integer', minimum: 1, maximum: 9007199254740991 },
        scheme: { type: 'string', enum: ['int8', 'fp16'] },
        qat: { type: 'boolean', default: false },
        milestones: { type: 'array', items: { type: 'number' } },
        augment: { type: 'array', items: { type: 'string' } },
        labelSmoothing: { type: 'number' },
        nested: { type: 'object', properties: {} },
      },
    })
    expect(fields.map(({ kind }) => kind)).toEqual(['number', 'number', 'choice', 'check', 'numbers', 'texts', 'number', 'json'])
    expect(fields[0]).toMatchObject({ title: 'Temperature', help: 'Softens', min: 0, fallback: 4, integer: false })
    expect(fields[1]).toMatchObject({ min: 1, max: undefined, integer: true })
    expect(fields[6]!.title).toBe('Label smoothing')
  })
})

describe('past forecasts', () => {
  it('are summed up by their median', () => {
    expect(accuracyOfForecasts([2, 1, 4])).toEqual({ median: 2, count: 3 })
    expect(accuracyOfForecasts([2, 1])).toEqual({ median: 1.5, count: 2 })
    expect(accuracyOfForecasts(undefined)).toBeUndefined()
    expect(accuracyOfForecasts(['x', NaN])).toBeUndefined()
  })
})
