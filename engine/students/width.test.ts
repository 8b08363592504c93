import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { sharedData } from '../../tests/shared.ts'
import { makeNode, TensorData, type Model } from '../ir/index.ts'
import { readModel, writeModel } from '../onnx/index.ts'
import { newBuilder } from '../ops/index.ts'
import { random } from '../random.ts'
import { createSession, Value } from '../session/index.ts'
import { buildTemplate, loadStudent, reinitialise, scaleWidth } from './index.ts'

const CIFAR = { input: [3, 32, 32], classes: 10, seed: 1 } as const
const shapes = ({ graph }: Model) => Object.fromEntries([...graph.initializers].map(([name, { dims }]) => [name, dims]))
const numbers = (model: Model, name: string) => Array.from(model.graph.initializers.get(name)!.numbers())

async function run(model: Model, shape: readonly number[]): Promise<number[]> {
  const session = await createSession(model, { threads: 1 })
  const x = random(4, 'x').fillNormal(new Float32Array(shape.reduce((n, d) => n * d, 1)))
  const out = await session.run({ [session.inputs[0]!.name]: Value.of('float32', shape, x) })
  await session.release()
  return Array.from(out[session.outputs[0]!.name]!.data, Number)
}

/** conv 3 to 8, ReLU, flatten (by `flat`), linear to 5. Features of channels 4 to 7 do not reach the output. */
function plain(flat: 'Flatten' | 'Reshape'): Model {
  const b = newBuilder(17)
  const draw = (name: string, dims: readonly number[]) =>
    b.constant(TensorData.of('float32', dims, random(2, name).fillNormal(new Float32Array(dims.reduce((n, d) => n * d, 1)))), name)
  const x = b.input('x', 'float32', [1, 3, 4, 4])
  const h = x.conv(draw('conv.weight', [8, 3, 3, 3]), draw('conv.bias', [8]), { pads: [1, 1, 1, 1] }).relu()
  const features = flat === 'Flatten' ? h.flatten() : h.emit('Reshape', [b.ints([-1, 128])])
  const w = draw('fc.weight', [5, 128])
  const data = w.value!.data as Float32Array
  for (let i = 0; i < data.length; i++) if (i % 128 >= 64) data[i] = 0
  const y = features.emit('Gemm', [w, draw('fc.bias', [5])], { transB: 1 }, { names: ['y'] })
  const model = b.model({ y }, { dims: (_, [, ...rest]) => ['n', ...rest] })
  model.graph.values.clear()
  return model
}

describe('width', () => {
  it.each(['resnet-8', 'resnet-14'])('halves %s as its template does', (name) => {
    const half = scaleWidth(buildTemplate(name, CIFAR), 0.5, { seed: 1 })
    const expected = buildTemplate(`${name}:0.5`, CIFAR)
    expect(shapes(half)).toEqual(shapes(expected))
    expect(half.graph.nodes.map((n) => n.name)).toEqual(expected.graph.nodes.map((n) => n.name))
  })

  it('keeps depthwise convolutions one channel wide and counts unlike ones apart', async () => {
    const half = scaleWidth(buildTemplate('mobilenet-v2', CIFAR), 0.5, { seed: 1 })
    expect(shapes(half)).toMatchObject({
      'stem.conv.weight': [16, 3, 3, 3],
      'stage0.block0.depthwise.conv.weight': [16, 1, 3, 3],
      'stage1.block0.expand.conv.weight': [48, 8, 1, 1],
      'stage1.block0.project.conv.weight': [12, 48, 1, 1],
      'logits.weight': [10, 640],
    })
    expect(await run(half, [2, 3, 32, 32])).toHaveLength(20)
  })

  it.each(['Flatten', 'Reshape'] as const)('follows channels through %s; slices keep the first units', async (flat) => {
    const half = scaleWidth(plain(flat), 0.5, { seed: 1, init: 'slice' })
    expect(shapes(half)).toMatchObject({ 'conv.weight': [4, 3, 3, 3], 'conv.bias': [4], 'fc.weight': [5, 64], 'fc.bias': [5] })
    const full = await run(plain(flat), [2, 3, 4, 4])
    ;(await run(half, [2, 3, 4, 4])).forEach((v, i) => expect(v).toBeCloseTo(full[i]!, 4))
  })

  it('draws fresh weights by default, by the seed', () => {
    const model = plain('Flatten')
    const fresh = (seed: number) => scaleWidth(model, 0.5, { seed })
    expect(numbers(fresh(1), 'conv.weight')).toEqual(numbers(fresh(1), 'conv.weight'))
    expect(numbers(fresh(1), 'conv.weight')).not.toEqual(numbers(fresh(2), 'conv.weight'))
    expect(numbers(fresh(1), 'conv.weight')).not.toEqual(numbers(scaleWidth(model, 0.5, { seed: 1, init: 'slice' }), 'conv.weight'))
    expect(numbers(fresh(1), 'conv.bias')).toEqual([0, 0, 0, 0])
    expect(numbers(model, 'conv.weight')).toHaveLength(216)
  })

  it('widens and never goes below one channel', () => {
    expect(shapes(scaleWidth(plain('Flatten'), 2, { seed: 1 }))['conv.weight']).toEqual([16, 3, 3, 3])
    expect(shapes(scaleWidth(plain('Flatten'), 0.01, { seed: 1 }))['conv.weight']).toEqual([1, 3, 3, 3])
    expect(() => scaleWidth(plain('Flatten'), 2, { seed: 1, init: 'slice' })).toThrow('cannot keep')
    expect(() => scaleWidth(plain('Flatten'), 0, { seed: 1 })).toThrow('above 0')
  })

  it('names the node that mixes channels', () => {
    const model = plain('Flatten')
    const at = model.graph.nodes.findIndex((n) => n.op === 'Flatten')
    const before = model.graph.nodes[at]!.inputs[0]!
    const swap = makeNode('DepthToSpace', [before], ['shuffled'], { blocksize: { type: 'int', value: 2 } })
    model.graph.nodes.splice(at, 0, swap)
    model.graph.nodes[at + 1]!.inputs[0] = 'shuffled'
    expect(() => scaleWidth(model, 0.5, { seed: 1 })).toThrow(
      expect.objectContaining({ code: 'unsupported', where: expect.stringContaining('DepthToSpace') as string }),
    )
  })

  it('halves a real network', async (context) => {
    const models = sharedData('models')
    if (!models) return context.skip()
    const teacher = await readModel(join(models, 'models', 'mnist-burn-cnn.onnx'))
    const student = await loadStudent('width:0.5', { input: [1, 28, 28], classes: 10, seed: 1, teacher })
    const size = (m: Model) => [...m.graph.initializers.values()].reduce((n, d) => n + (d.dtype === 'float32' ? d.size : 0), 0)
    expect(size(student) / size(teacher)).toBeLessThan(0.35)
    expect(await run(student, [1, 1, 28, 28])).toHaveLength(10)
  })
})

describe('loadStudent', () => {
  const ctx = { input: [3, 32, 32], classes: 10, seed: 1 }

  it('takes templates with and without their prefix', async () => {
    expect(shapes(await loadStudent('template:resnet-8', ctx))).toEqual(shapes(await loadStudent('resnet-8', ctx)))
    expect(shapes(await loadStudent('mlp:32', { ...ctx, input: [6] }))['hidden0.linear.weight']).toEqual([32, 6])
  })

  it('takes a file, with its weights or with fresh ones', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stillroom-student-'))
    try {
      const file = join(folder, 'net.onnx')
      const model = buildTemplate('small-cnn', CIFAR)
      await writeModel(model, file)
      const kept = await loadStudent(file, ctx)
      expect(numbers(kept, 'logits.weight')).toEqual(numbers(model, 'logits.weight'))
      const fresh = await loadStudent(`${file}?init=fresh`, { ...ctx, seed: 2 })
      expect(numbers(fresh, 'logits.weight')).not.toEqual(numbers(model, 'logits.weight'))
      // The rules for fresh weights are those of the templates, so equal seeds give equal weights.
      expect(numbers(await loadStudent(`${file}?init=fresh`, ctx), 'block1.conv.weight')).toEqual(
        numbers(model, 'block1.conv.weight'),
      )
      await expect(loadStudent(`${file}?init=old`, ctx)).rejects.toThrow('init=old')
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('refuses what is no student', async () => {
    await expect(loadStudent('resnet-9', ctx)).rejects.toThrow(expect.objectContaining({ code: 'option' }))
    await expect(loadStudent('width:0.5', ctx)).rejects.toThrow('there is none')
    await expect(loadStudent('width:x', { ...ctx, teacher: plain('Flatten') })).rejects.toThrow('no width')
    await expect(loadStudent('resnet-8', { ...ctx, input: [5, 5] })).rejects.toThrow('5x5')
  })

  it('does not keep trained values under the name of fresh ones', () => {
    const model = plain('Flatten')
    model.graph.nodes.push(makeNode('Mul', ['y', 'table'], ['z']))
    model.graph.initializers.set('table', TensorData.from('float32', [2, 5], Array(10).fill(1)))
    expect(() => reinitialise(model, 1)).toThrow("no fresh weights for 'table'")
  })
})
