import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { evaluator } from '../../tests/evaluate.ts'
import { newBuilder } from '../ops/index.ts'
import { clipByGlobalNorm, ema, findOptimizer, optimizerStep, parseOptions } from '../optim/index.ts'
import { random } from '../random.ts'
import { nativeAddon, nativeStatus, type NativeUpdate, type UpdateKind } from './index.ts'

const addon = nativeAddon()
if (!addon) process.stdout.write(`native addon ${nativeStatus().text}: its tests are skipped\n`)
const { update } = addon ?? ({} as NonNullable<typeof addon>)

/** Ends that fill no vector, a tensor that is cut into pieces, one element alone. */
const SIZES = [1, 7, 16, 33, 40_000, 15, 17_001]
const STEPS = 5
const KINDS: readonly UpdateKind[] = ['sgd', 'adam', 'adamw', 'lion']
const OPTIONS = { beta1: 0.8, beta2: 0.95, epsilon: 1e-6, averageDecay: 0.9 }

const draw = (name: string, scale = 1): Float32Array[] =>
  SIZES.map((n, i) => random(7, name, i).fillNormal(new Float32Array(n), 0, scale))
const zeros = (): Float32Array[] => SIZES.map((n) => new Float32Array(n))
const decays = Float32Array.from(SIZES, (_, i) => (i % 2 ? 0 : 0.1))
const rates = Float32Array.from(SIZES, (_, i) => (i % 3 ? 1 : 0.25))
const corrections = (t: number) => ({ first: 1 / (1 - OPTIONS.beta1 ** t), second: 1 / Math.sqrt(1 - OPTIONS.beta2 ** t) })

interface State {
  params: Float32Array[]
  m: Float32Array[]
  v: Float32Array[]
  averages: Float32Array[]
}

/** Parameters and state after some steps of fixed gradients. */
function trained(kind: UpdateKind, more: Partial<NativeUpdate> = {}, steps = STEPS): State {
  const params = draw('p')
  const state = { params, m: zeros(), v: zeros(), averages: params.map((p) => p.slice()) }
  for (let t = 1; t <= steps; t++)
    update({ kind, ...state, grads: draw(`g${t}`), lr: 0.1 / t, decays, rates, ...OPTIONS, ...corrections(t), ...more })
  return state
}

/** A digest of all bits: a comparison of so many elements one by one takes seconds. */
function bits(state: State): string {
  const hash = createHash('sha256')
  for (const a of Object.values(state).flat() as Float32Array[]) hash.update(a)
  return hash.digest('hex')
}

/** The papers' formulas in double, one number at a time. */
function reference(kind: UpdateKind, nesterov = false): { params: number[][]; averages: number[][] } {
  const { beta1: b1, beta2: b2, epsilon, averageDecay } = OPTIONS
  const params = draw('p').map((a) => Array.from(a))
  const averages = params.map((a) => [...a])
  const m = SIZES.map((n) => new Array<number>(n).fill(0))
  const v = SIZES.map((n) => new Array<number>(n).fill(0))
  for (let t = 1; t <= STEPS; t++)
    draw(`g${t}`).forEach((grads, k) => {
      const [lr, wd] = [(0.1 / t) * rates[k]!, decays[k]!]
      grads.forEach((raw, i) => {
        const p = params[k]![i]!
        const g = kind === 'sgd' || kind === 'adam' ? raw + wd * p : raw
        let move: number
        if (kind === 'sgd') {
          m[k]![i] = b1 * m[k]![i]! + g
          move = nesterov ? g + b1 * m[k]![i] : m[k]![i]
        } else if (kind === 'lion') {
          move = Math.sign(b1 * m[k]![i]! + (1 - b1) * g) + wd * p
          m[k]![i] = b2 * m[k]![i]! + (1 - b2) * g
        } else {
          m[k]![i] = b1 * m[k]![i]! + (1 - b1) * g
          v[k]![i] = b2 * v[k]![i]! + (1 - b2) * g * g
          move = m[k]![i] / (1 - b1 ** t) / (Math.sqrt(v[k]![i] / (1 - b2 ** t)) + epsilon)
          if (kind === 'adamw') move += wd * p
        }
        params[k]![i] = p - lr * move
        averages[k]![i] = averageDecay * averages[k]![i]! + (1 - averageDecay) * params[k]![i]
      })
    })
  return { params, averages }
}

/** Largest difference over the largest value. */
function distance(found: readonly ArrayLike<number>[], expected: readonly ArrayLike<number>[]): number {
  let [worst, size] = [0, 0]
  found.forEach((list, k) => {
    for (let i = 0; i < list.length; i++) {
      worst = Math.max(worst, Math.abs(list[i]! - expected[k]![i]!))
      size = Math.max(size, Math.abs(expected[k]![i]!))
    }
  })
  return worst / size
}

describe.skipIf(!addon)('updates in place', () => {
  it.each(KINDS)("%s follows the paper's formula", (kind) => {
    const state = trained(kind)
    const expected = reference(kind)
    expect(distance(state.params, expected.params)).toBeLessThan(1e-6)
    expect(distance(state.averages, expected.averages)).toBeLessThan(1e-6)
  })

  it("sgd follows Nesterov's form", () => {
    expect(distance(trained('sgd', { nesterov: true }).params, reference('sgd', true).params)).toBeLessThan(1e-6)
    expect(distance(trained('sgd').params, reference('sgd', true).params)).toBeGreaterThan(1e-3)
  })

  it.each(KINDS)('%s gives the same bits with every instruction set and number of threads', (kind) => {
    const expected = bits(trained(kind, { isa: 'scalar', threads: 1, clip: 2, check: 'skip' }))
    for (const isa of addon!.isas)
      for (const threads of [1, 2, 3]) expect(bits(trained(kind, { isa, threads, clip: 2, check: 'skip' }))).toBe(expected)
  })

  it.each(['sgd', 'sgd nesterov', 'adam', 'adamw', 'lion'])('%s equals the update in the graph', async (name) => {
    const [kind, nesterov] = [name.split(' ')[0] as UpdateKind, name.endsWith('nesterov')]
    const optimizer = findOptimizer(kind)
    const { beta1, beta2, epsilon, averageDecay } = OPTIONS
    const own = { sgd: { momentum: beta1, nesterov }, lion: { beta1, beta2 }, adam: { beta1, beta2, epsilon } }
    const o = parseOptions(optimizer, { ...own[kind === 'adamw' ? 'adam' : kind], weightDecay: 0.1 })
    const b = newBuilder()
    const input = (what: string) => SIZES.map((n, i) => b.input(`${what}${i}`, 'float32', [n]))
    const [p, g, e] = [input('p'), input('g'), input('e')]
    const slots = optimizer.slots.map((slot) => input(slot))
    const scalar = (what: string) => b.input(what, 'float32', [])
    const scalars = Object.fromEntries(Object.keys(optimizer.hostScalars?.(0, o) ?? {}).map((n) => [n, scalar(n)]))
    const params = p.map((t, i) => ({
      p: t,
      g: g[i]!,
      slots: Object.fromEntries(optimizer.slots.map((slot, k) => [slot, slots[k]![i]!])),
      decay: decays[i]! > 0,
      rate: rates[i]!,
    }))
    const { updates } = optimizerStep(optimizer, o, params, { lr: scalar('lr'), scalars, clip: 2 })
    const share = scalar('share')
    const outputs = [
      ...updates.map((u) => u.p),
      ...optimizer.slots.flatMap((slot) => updates.map((u) => u.slots[slot]!)),
      ...updates.map((u, i) => ema(u.p, e[i]!, share)),
    ]
    const compiled = await evaluator(outputs)
    let state: number[][] = [...draw('p'), ...optimizer.slots.flatMap(zeros), ...draw('p')].map((a) => Array.from(a))
    for (let t = 1; t <= STEPS; t++) {
      const feeds: Record<string, ArrayLike<number>> = { lr: [0.1 / t], share: [averageDecay] }
      ;[p, ...slots, e].flat().forEach((tensor, i) => (feeds[tensor.name] = state[i]!))
      draw(`g${t}`).forEach((a, i) => (feeds[g[i]!.name] = a))
      for (const [n, value] of Object.entries(optimizer.hostScalars?.(t - 1, o) ?? {})) feeds[n] = [value]
      state = await compiled.run(feeds)
    }
    await compiled.release()
    const found = trained(kind, { nesterov, clip: 2 })
    const order = [found.params, ...optimizer.slots.map((_, k) => (k ? found.v : found.m)), found.averages].flat()
    expect(distance(order, state)).toBeLessThan(1e-6)
  })
})

describe.skipIf(!addon)('gradients', () => {
  const job = (grads: number[][], more: Partial<NativeUpdate> = {}) => {
    const params = grads.map((g) => new Float32Array(g.length).fill(1))
    const m = grads.map((g) => new Float32Array(g.length))
    const outcome = update({ kind: 'sgd', params, grads: grads.map((g) => Float32Array.from(g)), m, lr: 1, beta1: 0, ...more })
    return { outcome, params: params.map((p) => [...p]), m: m.map((p) => [...p]) }
  }

  it('are scaled to the bound of their global norm', () => {
    const { outcome, m } = job([[1, 2], [2, 4]], { clip: 1 }) // prettier-ignore
    expect(outcome).toEqual({ norm: 5, finite: true, applied: true })
    expect(distance(m, [[0.2, 0.4], [0.4, 0.8]])).toBeLessThan(1e-6) // prettier-ignore
    expect(job([[0.25], [0]], { clip: 1 }).m).toEqual([[0.25], [0]])
    expect(job([[0], [0]], { clip: 1 }).m).toEqual([[0], [0]])
  })

  it('have the norm that the graph computes', async () => {
    const grads = draw('norm', 1e3)
    const b = newBuilder()
    const inputs = SIZES.map((n, i) => b.input(`g${i}`, 'float32', [n]))
    const compiled = await evaluator([clipByGlobalNorm(inputs, 1).norm!])
    const [norm] = await compiled.run(Object.fromEntries(inputs.map((t, i) => [t.name, grads[i]!])))
    await compiled.release()
    const exact = Math.sqrt(grads.reduce((sum, g) => sum + g.reduce((s, x) => s + x * x, 0), 0))
    const found = job(grads.map((g) => [...g]), { clip: 1 }).outcome.norm // prettier-ignore
    expect(Math.abs(found / exact - 1)).toBeLessThan(1e-12)
    expect(Math.abs(norm![0]! / exact - 1)).toBeLessThan(1e-5)
  })

  it('are multiplied by a scale, which leaves the norm as it is', () => {
    const { outcome, m } = job([[4, 3]], { scale: 0.25, check: 'skip' })
    expect(outcome.norm).toBe(5)
    expect(m).toEqual([[1, 0.75]])
  })

  it.each([Infinity, -Infinity, NaN])('with %s are told of, and change nothing where that is asked for', (bad) => {
    for (const place of [0, 20, 39]) {
      const grads = [Array.from({ length: 40 }, (_, i) => (i === place ? bad : 1)), [1]]
      for (const isa of addon!.isas) {
        expect(job(grads, { isa }).outcome).toMatchObject({ finite: false, applied: true })
        const skipped = job(grads, { isa, check: 'skip' })
        expect(skipped.outcome).toMatchObject({ finite: false, applied: false })
        expect([...skipped.params.flat(), ...skipped.m.flat()]).toEqual([...Array(41).fill(1), ...Array(41).fill(0)])
      }
    }
    // As large as a float gets is finite still.
    expect(job([[3e38, -3e38]], { check: 'skip' }).outcome).toMatchObject({ finite: true, applied: true })
  })

  it('that do not fit are refused before anything changes', () => {
    const p = new Float32Array(4).fill(1)
    const base = { kind: 'sgd' as const, params: [p], m: [new Float32Array(4)], lr: 1, beta1: 0 }
    expect(() => update({ ...base, grads: [new Float32Array(3)] })).toThrow('grads: expected 4 elements at 0, found 3')
    expect(() => update({ ...base, grads: [new Float64Array(4) as never] })).toThrow('grads: expected a Float32Array')
    expect(() => update({ ...base, grads: [] })).toThrow('one each for every tensor')
    expect(() => update({ ...base, kind: 'adam', grads: [p] })).toThrow('v: one is missing')
    expect(() => update({ ...base, grads: [p], isa: 'mmx' })).toThrow("'mmx' is not usable here")
    expect(() => update({ ...base, grads: [p], threads: 0 })).toThrow('at least 1')
    expect([...p]).toEqual([1, 1, 1, 1])
  })
})

describe('the addon', () => {
  it('is left out where the environment says so', () => {
    const file = new URL('./native.ts', import.meta.url).href
    const code = `import('${file}').then((m) => console.log(JSON.stringify([m.nativeAddon() === undefined, m.nativeStatus()])))`
    const out = execFileSync(process.execPath, ['-e', code], { encoding: 'utf8', env: { ...process.env, STILLROOM_NATIVE: 'off' } })
    expect(JSON.parse(out)).toEqual([true, { used: false, text: 'off, as STILLROOM_NATIVE says' }])
  })
})
