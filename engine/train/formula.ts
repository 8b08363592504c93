import { gradientsOrNone } from '../autodiff/index.ts'
import { TensorData } from '../ir/index.ts'
import type { FormulaPoint, FormulaValue, Method, ParameterPoint, ParameterValue, UpdatePoint } from '../methods/index.ts'
import { newBuilder, type Tensor } from '../ops/index.ts'
import { CPU, lower } from '../passes/index.ts'
import { createSession, Value } from '../session/index.ts'

/**
 * A method's loss and its gradient on given numbers, as a training step would have them: terms times their weights, their sum.
 * Errors: those of the method; BugError when lengths and shapes disagree.
 */
export async function formulaAt(method: Method, at: FormulaPoint): Promise<FormulaValue> {
  const options = method.options.parse(at.options ?? {})
  const b = newBuilder()
  const feeds = new Map<Tensor, ArrayLike<number>>()
  const given = (name: string, shape: readonly number[], values: ArrayLike<number>): Tensor => {
    const t = b.input(name, 'float32', shape)
    feeds.set(t, values)
    return t
  }
  const matrix = (name: string, rows: readonly (readonly number[])[]) => given(name, [rows.length, rows[0]!.length], rows.flat())
  const student = matrix('student', at.student)
  const classes = at.student[0]!.length
  const scalars = method.scalars?.(at.progress ?? { step: 0, steps: 1 }, options) ?? {}
  const known = new Map<string, Tensor>()
  const once = (name: string, make: () => Tensor) => known.get(name) ?? known.set(name, make()).get(name)!
  const side = (which: 'student' | 'teacher') =>
    (at.features ?? []).map((f, i) => given(`${which}/feature${i}`, f[which].shape, f[which].values))
  const terms = method.loss(
    {
      b,
      student: { logits: student, features: side('student') },
      teacher: { logits: matrix('teacher', at.teacher), features: side('teacher') },
      target: at.labels && matrix('target', oneHot(at.labels, classes)),
      labelSmoothing: 0,
      scalar: (name) => once(name, () => given(`scalar/${name}`, [], [scalars[name] ?? NaN])),
      param: (name, shape) => once(`param/${name}`, () => given(`param/${name}`, shape, at.params?.[name] ?? [])),
      stage: at.stage ?? '',
    },
    options,
  )
  const weighted = Object.entries(terms).map(
    ([name, t]) => [name, t.weight === undefined ? t.value : t.value.mul(t.weight)] as const,
  )
  const total = weighted.slice(1).reduce((sum, [, t]) => sum.add(t), weighted[0]![1])
  const slope = gradientsOrNone(total, [student])[0] ?? b.zeros(student.shape)
  const outputs = { total, slope, ...Object.fromEntries(weighted.map(([name, t]) => [`term/${name}`, t])) }
  const found = await run(outputs, feeds)
  return {
    total: found.total![0]!,
    gradient: found.slope!,
    terms: Object.fromEntries(weighted.map(([name]) => [name, found[`term/${name}`]![0]!])),
  }
}

/** What a method's network takes in place of one weight of a network of several, and the gradients for a given one of it. */
export async function parameterAt(method: Method, at: ParameterPoint): Promise<ParameterValue> {
  const b = newBuilder()
  const feeds = new Map<Tensor, ArrayLike<number>>()
  const given = (name: string, shape: readonly number[], values: ArrayLike<number>): Tensor => {
    const t = b.input(name, 'float32', shape)
    feeds.set(t, values)
    return t
  }
  const p = given('p', at.shape, at.values)
  const own = new Map<string, Tensor>()
  const seen = method.parameter!(
    {
      b,
      p,
      name: 'p',
      first: TensorData.from('float32', at.shape, at.values),
      weight: { index: 1, of: 3 },
      param(name, first) {
        const t = given(`own/${name}`, first.dims, at.params?.[name] ?? first.numbers())
        own.set(name, t)
        return t
      },
    },
    method.options.parse(at.options ?? {}),
  )
  const loss = seen.mul(b.array('float32', at.shape, at.gradient)).sum()
  const slopes = gradientsOrNone(loss, [p, ...own.values()])
  const zero = (g: Tensor | undefined, like: Tensor) => g ?? b.zeros(like.shape)
  const outputs = {
    seen: seen.add(0),
    slope: zero(slopes[0], p),
    ...Object.fromEntries([...own].map(([name, t], i) => [`own/${name}`, zero(slopes[i + 1], t)])),
  }
  const found = await run(outputs, feeds)
  const params = Object.fromEntries([...own.keys()].map((name) => [name, found[`own/${name}`]!]))
  return { values: found.seen!, gradient: found.slope!, params }
}

/** A parameter after the method's own optimizer rule has seen the given gradients, one step each; all velocities begin at zero. */
export async function updateAt(method: Method, at: UpdatePoint): Promise<number[]> {
  const options = method.options.parse(at.options ?? {})
  const rule = method.update!
  let p: number[] = [...at.start]
  let slots = Object.fromEntries(rule.slots.map((name) => [name, p.map(() => 0)]))
  for (const gradients of at.gradients) {
    const b = newBuilder()
    const feeds = new Map<Tensor, ArrayLike<number>>()
    const given = (name: string, values: ArrayLike<number>): Tensor => {
      const t = b.input(name, 'float32', [values.length])
      feeds.set(t, values)
      return t
    }
    const lr = b.input('lr', 'float32', [])
    feeds.set(lr, [at.lr])
    const made = rule.update({
      p: given('p', p),
      g: Object.fromEntries(Object.entries(gradients).map(([group, g]) => [group, given(`g/${group}`, g)])),
      slots: Object.fromEntries(Object.entries(slots).map(([name, v]) => [name, given(`slot/${name}`, v)])),
      lr,
      weightDecay: at.weightDecay,
      momentum: at.momentum,
      o: options,
    })
    // A sum of zero makes a computed value of a slot that the rule hands on as it is.
    const outputs = Object.fromEntries(Object.entries(made.slots).map(([name, t]) => [name, t.add(0)]))
    const found = await run({ ...outputs, 'new p': made.p }, feeds)
    p = found['new p']!
    slots = Object.fromEntries(Object.keys(slots).map((name) => [name, found[name]!]))
  }
  return p
}

const oneHot = (labels: readonly number[], classes: number): number[][] =>
  labels.map((k) => Array.from({ length: classes }, (_, c) => (c === k ? 1 : 0)))

async function run(
  outputs: Readonly<Record<string, Tensor>>,
  feeds: ReadonlyMap<Tensor, ArrayLike<number>>,
): Promise<Record<string, number[]>> {
  const list = Object.entries(outputs)
  const { b, at } = lower(list[0]![1].b, Object.values(outputs), CPU)
  const model = b.model(Object.fromEntries(list.map(([, t], i) => [`result${i}`, at(t)])))
  const session = await createSession(model, { threads: 1, name: 'formula' })
  try {
    const values = Object.fromEntries([...feeds].map(([t, v]) => [t.name, Value.from(t.dtype, t.shape, v)]))
    const found = await session.run(values)
    return Object.fromEntries(list.map(([name], i) => [name, Array.from(found[`result${i}`]!.data as Float32Array)]))
  } finally {
    await session.release()
  }
}
