import { describe, expect, it } from 'vitest'
import { evaluate, evaluator } from '../../tests/evaluate.ts'
import { newBuilder, type Tensor } from '../ops/index.ts'
import {
  clipByGlobalNorm,
  decaysByDefault,
  ema,
  emaDecayAt,
  findOptimizer,
  optimizers,
  optimizerStep,
  parseOptions,
} from './index.ts'

const STEPS = 6
const START = [0.5, -1.2, 2, 0.01]
/** A fixed, changing gradient: the loss plays no part in these tests. */
const gradAt = (t: number): number[] => START.map((p, i) => Math.sin(p * (t + 1) + i) * (i === 3 ? 1e-3 : 1))

/** Runs an optimizer's graph in double over several steps. */
async function trajectory(id: string, options: object, { decay = true, rate = 1 } = {}): Promise<number[][]> {
  const optimizer = findOptimizer(id)
  const o = parseOptions(optimizer, options)
  const b = newBuilder()
  const vector = (name: string) => b.input(name, 'float64', [START.length])
  const scalarNames = Object.keys(optimizer.hostScalars?.(0, o) ?? {})
  const scalars = Object.fromEntries(scalarNames.map((name) => [name, b.input(name, 'float64', [])]))
  const slots = Object.fromEntries(optimizer.slots.map((slot) => [slot, vector(slot)]))
  const lr = b.input('lr', 'float64', [])
  const { updates } = optimizerStep(optimizer, o, [{ p: vector('p'), g: vector('g'), slots, decay, rate }], { lr, scalars })
  const { p, slots: next } = updates[0]!
  const compiled = await evaluator([p, ...optimizer.slots.map((slot) => next[slot]!)])
  let state: number[][] = [START, ...optimizer.slots.map(() => START.map(() => 0))]
  const seen: number[][] = []
  for (let t = 0; t < STEPS; t++) {
    const feeds: Record<string, number[]> = { p: state[0]!, g: gradAt(t), lr: [0.1 / (t + 1)] }
    optimizer.slots.forEach((slot, i) => (feeds[slot] = state[i + 1]!))
    for (const [name, value] of Object.entries(optimizer.hostScalars?.(t, o) ?? {})) feeds[name] = [value]
    state = await compiled.run(feeds)
    seen.push(state[0]!)
  }
  await compiled.release()
  return seen
}

/** The same, one number at a time, from an update rule written as a loop. */
function reference(
  rule: (p: number, g: number, lr: number, t: number, memory: Record<string, number>) => number,
  rate = 1,
): number[][] {
  const memories = START.map((): Record<string, number> => ({ m: 0, v: 0 }))
  let p = START
  return Array.from({ length: STEPS }, (_, t) => {
    const g = gradAt(t)
    return (p = p.map((value, i) => rule(value, g[i]!, (rate * 0.1) / (t + 1), t + 1, memories[i]!)))
  })
}

function expectClose(found: number[][], expected: number[][]): void {
  found.flat().forEach((value, i) => expect(value).toBeCloseTo(expected.flat()[i]!, 12))
}

const adam =
  ({ coupled = 0, decoupled = 0 }) =>
  (p: number, grad: number, lr: number, t: number, s: Record<string, number>): number => {
    const g = grad + coupled * p
    s.m = 0.8 * s.m! + 0.2 * g
    s.v = 0.95 * s.v! + 0.05 * g * g
    const mHat = s.m / (1 - 0.8 ** t)
    const vHat = s.v / (1 - 0.95 ** t)
    return p - lr * (mHat / (Math.sqrt(vHat) + 1e-6) + decoupled * p)
  }
const betas = { beta1: 0.8, beta2: 0.95, epsilon: 1e-6 }

describe('optimizers', () => {
  it.each([false, true])('sgd, nesterov %s', async (nesterov) => {
    const expected = reference((p, grad, lr, _, s) => {
      const g = grad + 0.05 * p
      s.v = 0.9 * s.v! + g
      return p - lr * (nesterov ? g + 0.9 * s.v : s.v)
    })
    expectClose(await trajectory('sgd', { nesterov, weightDecay: 0.05 }), expected)
  })

  it('sgd without momentum is plain descent', async () => {
    expectClose(
      await trajectory('sgd', { momentum: 0, weightDecay: 0 }),
      reference((p, g, lr) => p - lr * g),
    )
  })

  it('adam couples its decay, adamw does not', async () => {
    expectClose(await trajectory('adam', { ...betas, weightDecay: 0.1 }), reference(adam({ coupled: 0.1 })))
    expectClose(await trajectory('adamw', { ...betas, weightDecay: 0.1 }), reference(adam({ decoupled: 0.1 })))
  })

  it('lion moves by the sign of an interpolation', async () => {
    const expected = reference((p, g, lr, _, s) => {
      const move = Math.sign(0.8 * s.m! + 0.2 * g)
      s.m = 0.95 * s.m! + 0.05 * g
      return p - lr * (move + 0.1 * p)
    })
    expectClose(await trajectory('lion', { beta1: 0.8, beta2: 0.95, weightDecay: 0.1 }), expected)
  })

  it.each(['sgd', 'adam', 'adamw', 'lion'])('%s spares a parameter without decay', async (id) => {
    const shape = id.startsWith('adam') ? betas : {}
    expectClose(
      await trajectory(id, { ...shape, weightDecay: 0.3 }, { decay: false }),
      await trajectory(id, { ...shape, weightDecay: 0 }),
    )
  })

  it('multiplies the rate of a group', async () => {
    expectClose(
      await trajectory('adamw', { ...betas, weightDecay: 0.1 }, { rate: 0.25 }),
      reference(adam({ decoupled: 0.1 }), 0.25),
    )
  })

  it('spares vectors and scalars by default', () => {
    expect([[], [8], [8, 4], [8, 4, 3, 3]].map(decaysByDefault)).toEqual([false, false, true, true])
  })

  it('names the field of a wrong option and the known names', () => {
    expect(optimizers.map(({ id }) => id)).toEqual(['adam', 'adamw', 'lion', 'sgd'])
    expect(() => parseOptions(findOptimizer('sgd'), { momentum: 2 })).toThrow(expect.objectContaining({ where: 'sgd.momentum' }))
    expect(() => parseOptions(findOptimizer('adam'), { beta3: 1 })).toThrow('beta3')
    expect(() => findOptimizer('adagrad')).toThrow(expect.objectContaining({ hint: 'one of adam, adamw, lion, sgd' }))
  })
})

describe('clipping and averages', () => {
  const build = (make: (a: Tensor, c: Tensor) => Tensor[]) => {
    const b = newBuilder()
    return make(b.input('a', 'float32', [2]), b.input('c', 'float32', [1, 2]))
  }

  it('scales all gradients to the bound, and leaves small ones alone', async () => {
    const clipped = build((a, c) => {
      const { grads, norm } = clipByGlobalNorm([a, c], 1)
      return [...grads, norm!]
    })
    const [a, c, norm] = await evaluate(clipped, { a: [1, 2], c: [2, 4] })
    expect(norm![0]).toBeCloseTo(5, 6)
    const expected = [0.2, 0.4, 0.4, 0.8]
    ;[...a!, ...c!].forEach((v, i) => expect(v).toBeCloseTo(expected[i]!, 5))
    expect((await evaluate(clipped, { a: [0.1, 0], c: [0, 0.2] }))[1]).toEqual([0, Math.fround(0.2)])
    expect((await evaluate(clipped, { a: [0, 0], c: [0, 0] }))[0]).toEqual([0, 0])
  })

  it('averages', async () => {
    const [shadow] = await evaluate(
      build((a, c) => [ema(a, c, 0.9)]),
      { a: [1, 2], c: [3, 4] },
    )
    expect(shadow![0]).toBeCloseTo(0.9 * 3 + 0.1 * 1, 6)
    expect(emaDecayAt(0, 0.999)).toBe(0.1)
    expect(emaDecayAt(1e6, 0.999)).toBe(0.999)
  })
})
