/** What can be said of providers without a GPU; tests/gpu/ trains on one. */
import { describe, expect, it } from 'vitest'
import { OptionError } from '../errors.ts'
import { makeGraph, makeModel, makeNode, tensorType, TensorData, type Model, type Node } from '../ir/index.ts'
import { download, keepsState } from './deviceState.ts'
import { copiesIn, fallbacksIn, showFallbacks } from './placement.ts'
import { requireProvider, whyNot } from './provider.ts'
import { withoutRefused } from './refused.ts'
import type { NodeTime } from './profile.ts'
import { Value } from './value.ts'

const time = (name: string, op: string, provider: string): NodeTime => ({ name, op, provider, calls: 1, totalMs: 1, medianMs: 1 })

describe('providers', () => {
  it('tries them with a node', async () => {
    expect(await whyNot('cpu')).toBeUndefined()
    await expect(requireProvider('cpu')).resolves.toBeUndefined()
  })

  it('says why one cannot be used and what to do', async () => {
    // No build of ONNX Runtime has both.
    const absent = process.platform === 'darwin' ? 'dml' : 'coreml'
    expect(await whyNot(absent)).toContain('not part of this build')
    const error = await requireProvider(absent).catch((e: unknown) => e)
    expect(error).toBeInstanceOf(OptionError)
    expect(error).toMatchObject({ code: 'option', where: 'provider', hint: expect.stringMatching(/Windows|macOS/) as string })
  })

  it('keeps state on devices whose buffers the binding hands out', () => {
    expect(keepsState('webgpu')).toBe(true)
    expect(keepsState('cpu')).toBe(false)
    expect(keepsState('cuda')).toBe(false)
  })
})

describe('downloads', () => {
  it('hands over what is on the host already', async () => {
    const values = new Map([['w', Value.from('float32', [2], [1, 2])]])
    const d = download('webgpu')
    expect((await d.read(values)).get('w')).toBe(values.get('w'))
    await d.release()
  })
})

describe('the placement of nodes', () => {
  const times = [
    time('a', 'Conv', 'webgpu'),
    time('b', 'OneHot', 'cpu'),
    time('m', 'MemcpyToHost', 'webgpu'),
    time('c', 'OneHot', 'cpu'),
  ]

  it('names what ran elsewhere, and counts copies apart', () => {
    const list = fallbacksIn(times, 'webgpu')
    expect(list).toEqual([
      { node: 'b', op: 'OneHot' },
      { node: 'c', op: 'OneHot' },
    ])
    expect(copiesIn(times)).toBe(1)
    expect(showFallbacks(list)).toBe('OneHot (2: b, c)')
    expect(fallbacksIn(times.slice(0, 1), 'webgpu')).toEqual([])
  })
})

describe('nodes that WebGPU must not have', () => {
  const model = (...nodes: Node[]): Model => {
    const graph = makeGraph('g')
    graph.nodes = nodes
    graph.initializers.set('grouped', TensorData.from('float32', [4, 1, 1, 1], [1, 2, 3, 4]))
    graph.initializers.set('wide', TensorData.from('float32', [4, 2, 1, 1], [1, 2, 3, 4, 5, 6, 7, 8]))
    return makeModel(graph, 17)
  }
  const parts = (n: number) => Array.from({ length: n }, (_, i) => `part${i}`)
  const group = { group: { type: 'int' as const, value: 2 } }

  it('are named, and only they', () => {
    const nameless = (...given: Parameters<typeof makeNode>): Node => ({ ...makeNode(...given), name: '' })
    const given = model(
      nameless('MaxPool', ['x'], ['y']),
      nameless('MaxPool', ['x'], ['y2', 'where']),
      makeNode('ConvTranspose', ['x', 'grouped'], ['t'], group, { name: 'up' }),
      nameless('ConvTranspose', ['x', 'wide'], ['t2'], group),
      nameless('Split', ['x'], parts(7)),
      nameless('Split', ['x'], parts(8)),
    )
    const { model: made, names } = withoutRefused(given)
    expect(names).toEqual(['on_cpu_1', 'up', 'on_cpu_5'])
    expect(made.graph.nodes.map((n) => n.name)).toEqual(['', 'on_cpu_1', 'up', '', '', 'on_cpu_5'])
    expect(given.graph.nodes.map((n) => n.name)).toEqual(['', '', 'up', '', '', ''])
  })

  it('are told by the shape of a weight that is computed, where the model has it', () => {
    const given = model(
      makeNode('ConvTranspose', ['x', 'fed'], ['a'], group),
      makeNode('ConvTranspose', ['x', 'made'], ['b'], group),
      makeNode('ConvTranspose', ['x', 'unknown'], ['c'], group),
    )
    given.graph.inputs.push({ name: 'fed', type: tensorType('float32', [4, 2, 3, 3]) })
    given.graph.values.set('made', { name: 'made', type: tensorType('float32', [4, 1, 3, 3]) })
    expect(withoutRefused(given).names).toEqual(['b', 'c'])
  })

  it('are none in most models', () => {
    const given = model(makeNode('Relu', ['x'], ['y']))
    expect(withoutRefused(given).model).toBe(given)
  })
})
