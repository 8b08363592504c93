/** The commands that the window asks for its views, with the real handlers. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openDataSet, type ImageBatch } from '../../data/index.ts'
import { intsAttr, makeGraph, makeModel, makeNode, TensorData, tensorType } from '../../ir/index.ts'
import { encodeModel } from '../../onnx/index.ts'
import { openStore } from '../../runs/index.ts'
import { commandNames, handlers, inProcess, makeClient, makeDispatcher } from '../index.ts'
import { describeValues } from './modelWeights.ts'

const folder = mkdtempSync(join(tmpdir(), 'stillroom-window-'))
const dispatcher = makeDispatcher(handlers)
afterAll(() => {
  dispatcher.close()
  rmSync(folder, { recursive: true, force: true })
})
const api = makeClient(commandNames, inProcess(dispatcher))
const store = join(folder, 'store.sqlite')

const model = join(folder, 'm.onnx')
const graph = {
  ...makeGraph('g'),
  nodes: [
    makeNode('Reshape', ['x', 'shape'], ['r']),
    makeNode('Transpose', ['r'], ['t'], { perm: intsAttr([1, 0]) }),
    makeNode('MatMul', ['t', 'w'], ['y']),
  ],
  inputs: [{ name: 'x', type: tensorType('float32', ['n', 4]) }],
  outputs: [{ name: 'y', type: tensorType('float32', [2, 2]) }],
  initializers: new Map([
    ['shape', TensorData.from('int64', [2], [2, 2])],
    ['w', TensorData.from('float32', [2, 2], [-1, 0, 1, 4])],
  ]),
}
writeFileSync(model, encodeModel(makeModel(graph, 17)))

describe('a model', () => {
  it('is listed node by node, as the file has it', async () => {
    const { nodes, inputs } = await api['model.graph']({ model })
    expect(inputs).toEqual([{ name: 'x', dtype: 'float32', shape: ['n', 4] }])
    expect(nodes.map(({ op, inputs, outputs }) => [op, inputs, outputs])).toEqual([
      ['Reshape', ['x', 'shape'], ['r']],
      ['Transpose', ['r'], ['t']],
      ['MatMul', ['t', 'w'], ['y']],
    ])
    expect(nodes[1]!.attributes).toEqual({ perm: [1, 0] })
    expect(nodes[2]!.weights).toEqual([{ name: 'w', dtype: 'float32', shape: [2, 2] }])
  })

  it('tells how a constant is distributed', async () => {
    expect(await api['model.weights']({ model, tensor: 'w', bins: 5 })).toMatchObject({
      count: 4,
      zeros: 1,
      notFinite: 0,
      min: -1,
      max: 4,
      mean: 1,
      deviation: Math.sqrt((4 + 1 + 0 + 9) / 4),
      histogram: [1, 1, 1, 0, 1],
    })
    await expect(api['model.weights']({ model, tensor: 'nothing' })).rejects.toMatchObject({ code: 'option', where: 'tensor' })
  })

  it('may hold what is no number', () => {
    expect(describeValues([NaN, 1, Infinity, 1], 3)).toMatchObject({
      notFinite: 2,
      min: 1,
      max: 1,
      deviation: 0,
      histogram: [2, 0, 0],
    })
    expect(describeValues([NaN], 3)).toMatchObject({ mean: null, histogram: [] })
  })
})

describe('a data set', () => {
  const path = 'builtin:glyphs?samples=60&size=14'
  it('shows its own pictures, the same for the same seed, and the size of each class', async () => {
    const sheet = await api['data.preview']({ path, count: 5, seed: 3 })
    expect(sheet.samples).toHaveLength(5)
    expect(sheet.classes!.reduce((sum, { count }) => sum + count, 0)).toBe(60)
    expect(await api['data.preview']({ path, count: 5, seed: 3 })).toEqual(sheet)
    const { index, picture } = sheet.samples[0]!
    const raw = (await (await openDataSet(path)).read(Int32Array.of(index))) as ImageBatch
    expect(Buffer.from(picture!.pixels, 'base64')).toEqual(Buffer.from(raw.pixels))
  })

  it('shows what edited preprocessing makes of a picture', async () => {
    const preprocess = { channels: 'gray', size: [7, 7], mean: [0.5], std: [0.25] }
    const { samples, preprocess: used } = await api['data.preview']({ path, count: 2, preprocess })
    expect(used).toMatchObject({ source: 'given', document: { size: [7, 7], resize: 'stretch' } })
    for (const { prepared } of samples) {
      expect(prepared!.picture).toMatchObject({ width: 7, height: 7, channels: 1 })
      const bytes = [...Buffer.from(prepared!.picture.pixels, 'base64')]
      expect(prepared!.max).toBeCloseTo((Math.max(...bytes) / 255 - 0.5) / 0.25, 5)
      expect(prepared!.min).toBeCloseTo((Math.min(...bytes) / 255 - 0.5) / 0.25, 5)
    }
    await expect(api['data.preview']({ path, preprocess: { size: 1 } })).rejects.toMatchObject({ code: 'option' })
  })
})

describe('the store', () => {
  const runs = openStore(store)
  const { id } = runs.createRun({ kind: 'distill', recipe: { student: 'template:mlp', data: 'd' }, seed: 1, engineVersion: 'v' })
  runs.addMetrics(
    id,
    Array.from({ length: 1000 }, (_, step) => ({ split: 'train', name: 'total', step, value: step === 500 ? NaN : step })),
  )
  runs.addEvents(id, [{ level: 'warning', text: 'mind this' }])
  mkdirSync(runs.runFolder(id), { recursive: true })
  const checkpoint = join(runs.runFolder(id), 'checkpoint-1.ckpt')
  writeFileSync(checkpoint, Buffer.alloc(1234))
  runs.addCheckpoint(id, 1, checkpoint)
  afterAll(() => runs.close())

  it('gives curves thinned, with gaps where the loss was no number, and from a step on', async () => {
    const { curves } = await api['runs.curves']({ id, points: 40, store })
    expect(curves[0]).toMatchObject({ split: 'train', name: 'total', total: 1000 })
    expect(curves[0]!.steps.length).toBeLessThanOrEqual(40)
    expect([curves[0]!.steps[0], curves[0]!.steps.at(-1)]).toEqual([0, 999])
    const { curves: later } = await api['runs.curves']({ id, after: 498, store })
    expect(later[0]!.values.slice(0, 3)).toEqual([499, null, 501])
  })

  it('keeps names, tags and notes, and messages', async () => {
    await api['runs.label']({ id, name: ' mine ', tags: ['a', 'a', 'b'], store })
    expect((await api['runs.list']({ store })).runs[0]).toMatchObject({
      name: 'mine',
      tags: ['a', 'b'],
      note: '',
      student: 'template:mlp',
    })
    expect((await api['runs.log']({ id, store })).lines).toMatchObject([{ level: 'warning', text: 'mind this' }])
  })

  it('remembers what was added, while it is there', async () => {
    await expect(api['library.add']({ kind: 'model', path: join(folder, 'none.onnx'), store })).rejects.toMatchObject({
      code: 'model',
    })
    const passing = join(folder, 'passing.onnx')
    writeFileSync(passing, '')
    await api['library.add']({ kind: 'model', path: passing, facts: { nodes: 3 }, store })
    expect((await api['library.list']({ store })).entries).toMatchObject([{ path: passing, present: true, facts: { nodes: 3 } }])
    rmSync(passing)
    expect((await api['library.list']({ kind: 'model', store })).entries[0]!.present).toBe(false)
    expect(await api['library.remove']({ kind: 'model', path: passing, store })).toEqual({ removed: true })
  })

  it('deletes what can be made again, of runs that are done alone', async () => {
    await expect(api['disk.clean']({ store })).rejects.toMatchObject({ code: 'option' })
    expect(await api['disk.clean']({ checkpoints: true, store })).toEqual({ freedBytes: 0 })
    runs.endRun(id, { status: 'done', result: {} })
    expect((await api['disk.usage']({ store })).spareCheckpointBytes).toBe(1234)
    expect(await api['disk.clean']({ checkpoints: true, store })).toEqual({ freedBytes: 1234 })
    expect(existsSync(checkpoint)).toBe(false)
  })
})
