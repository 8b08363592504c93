/** One node test, judged: read and written, inferred, computed, differentiated. */
import { readFileSync } from 'node:fs'
import { UnsupportedError } from '../../engine/errors.ts'
import { isFloat, sizeOf, TensorData, verify, type Model } from '../../engine/ir/index.ts'
import {
  checkInBestPrecision,
  isMissingKernel,
  retype,
  SKIPPED_AT_MOST,
  tensorTo,
  type Check,
  type Subject,
} from '../../engine/inspect/gradcheck/index.ts'
import { decodeMessage } from '../../engine/onnx/decode.ts'
import { encodeMessage } from '../../engine/onnx/encode.ts'
import { modelMessage } from '../../engine/onnx/toMessage.ts'
import { controlFlow } from '../../engine/ops/inlineControl.ts'
import { sequenceOps } from '../../engine/ops/inlineSequence.ts'
import { isPlain } from '../../engine/ops/support/values.ts'
import { ruleBook, WORKING_OPSET } from '../../engine/ops/index.ts'
import { lower } from '../../engine/passes/index.ts'
import { random } from '../../engine/random.ts'
import { createSession, Value, type Provider } from '../../engine/session/index.ts'
import { compile, knows, KNOWLEDGE, prepared, type Compiled, type Knowledge } from './compile.ts'
import { told } from './examples.ts'
import { operatorsOf, subjectOf, type NodeTest } from './nodeTest.ts'

export interface Judgement {
  name: string
  /** The operator that the test is about. */
  op: string
  /** The test is the body of a function operator, written out. */
  expanded: boolean
  operators: string[]
  lossless: boolean
  /** Errors of `verify`. */
  invalid: string[]
  /** ONNX Runtime's reason for refusing the file, undefined where it loads. */
  refused: string | undefined
  /** Operators that no rule is for. */
  without: string[]
  inference: Verdict & { knowledge?: Knowledge }
  /** What our compiled graph computes against the test's expected outputs, by provider. */
  values: Record<string, Verdict>
  first: Verdict
  second: Verdict
  check?: { seed: number; dtype: string; maxRelativeError: number; checked: number; skipped: number; moved: boolean }
}

/** `none`: there is nothing to compare, `detail` says why. */
export interface Verdict {
  state: 'passes' | 'fails' | 'none'
  detail?: string
}

export interface JudgeOptions {
  seed: number
  entries: number
  providers: readonly Provider[]
}

const none = (detail: string): Verdict => ({ state: 'none', detail })
const fails = (detail: string): Verdict => ({ state: 'fails', detail })
const messageOf = (e: unknown) => (e instanceof Error ? e.message : String(e)).split('\n')[0]!.slice(0, 240)

export async function judge(folder: string, test: NodeTest, o: JudgeOptions): Promise<Judgement> {
  const { model, file, name } = test
  const operators = operatorsOf(model)
  const out: Judgement = {
    name,
    ...subjectOf(folder, name, model),
    operators,
    lossless: isLossless(file, model),
    invalid: verify(model).flatMap((p) => (p.severity === 'error' ? [`${p.where}: ${p.message}`] : [])),
    refused: await refusal(file),
    without: [],
    inference: none('not loaded by ONNX Runtime'),
    values: {},
    first: none('not loaded by ONNX Runtime'),
    second: none('not loaded by ONNX Runtime'),
  }
  if (out.refused !== undefined) return out
  const stop = (verdict: Verdict) => ({ ...out, inference: verdict, first: verdict, second: verdict })
  if ([...test.inputs.values()].includes(undefined)) return stop(none('an input is no tensor'))
  const { model: ready, obstacle } = prepared(model)
  out.without = operatorsOf(ready).filter((op) => !hasRule(op))
  const values = new Map([...test.inputs].map(([key, v]) => [key, v!]))
  const { verdict, compiled } = inferred(ready, values, test.outputs)
  out.inference = verdict
  if (verdict.state === 'fails') {
    if (out.without.length > 0) out.inference = none(`no rule for ${out.without.join(', ')}`)
    else if (obstacle) out.inference = none(`not at opset ${WORKING_OPSET}: ${obstacle}`)
    else if (/depends? on (?:the )?data|depends on the data/.test(verdict.detail ?? '')) out.inference = none(verdict.detail!)
  }
  if (!compiled) return { ...out, first: out.inference, second: out.inference }
  for (const provider of o.providers) out.values[provider] = await asExpected(compiled, values, test, provider)
  return { ...out, ...(await differentiated(ready, values, test, o)) }
}

function hasRule(op: string): boolean {
  const at = op.lastIndexOf('.')
  return (
    op in controlFlow ||
    op in sequenceOps ||
    ruleBook.find(op.slice(at + 1), at < 0 ? '' : op.slice(0, at), WORKING_OPSET) !== undefined
  )
}

/** The file's message is what is written of its model. */
export function isLossless(file: string, model: Model): boolean {
  const written = encodeMessage(
    'ModelProto',
    modelMessage(model, (_, message) => message),
  )
  return Buffer.compare(encodeMessage('ModelProto', decodeMessage('ModelProto', readFileSync(file), file)), written) === 0
}

async function refusal(file: string): Promise<string | undefined> {
  try {
    await (await createSession(file, { threads: 1, level: 'disabled', name: 'test' })).release()
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

const show = (t: { dtype: string; shape: readonly number[] } | undefined) => (t ? `${t.dtype}[${t.shape.join(', ')}]` : 'nothing')

/** Types of the outputs from the least knowledge of the inputs that suffices. */
function inferred(
  model: Model,
  values: ReadonlyMap<string, TensorData>,
  expected: NodeTest['outputs'],
): { verdict: Judgement['inference']; compiled?: Compiled } {
  let failure: unknown
  for (const knowledge of KNOWLEDGE) {
    let compiled: Compiled
    try {
      compiled = compile(model, values, knows(knowledge, values))
    } catch (error) {
      failure = error
      continue
    }
    for (const [name, want] of expected) {
      const t = compiled.outputs.get(name)
      if (!want) continue
      if (!t || t.dtype !== want.dtype || t.shape.join() !== want.dims.join())
        return { verdict: fails(`output '${name}': found ${show(t)}, expected ${show({ dtype: want.dtype, shape: want.dims })}`) }
    }
    return { verdict: { state: 'passes', knowledge }, compiled }
  }
  return { verdict: fails(messageOf(failure)) }
}

/** The test's own expectation, or else what ONNX Runtime makes of the file: its kernels depart from the standard here and there. */
async function asExpected(
  compiled: Compiled,
  values: ReadonlyMap<string, TensorData>,
  test: NodeTest,
  provider: Provider,
): Promise<Verdict> {
  const verdict = await computed(compiled, values, test.outputs, provider)
  if (verdict.state !== 'fails') return verdict
  try {
    const session = await createSession(test.file, { threads: 1, provider, level: 'disabled' })
    try {
      const feeds = Object.fromEntries([...values].map(([name, v]) => [name, Value.fromTensor(v)]))
      const found = await session.run(feeds, [...test.outputs.keys()])
      const own = new Map(Object.entries(found).map(([name, v]) => [name, v.toTensor()]))
      const again = await computed(compiled, values, own, provider)
      return again.state === 'passes' ? { state: 'passes', detail: 'as ONNX Runtime, which departs from the standard' } : verdict
    } finally {
      await session.release()
    }
  } catch (error) {
    return none(`ONNX Runtime loads it, but cannot run it: ${messageOf(error)}`)
  }
}

async function computed(
  { b, outputs }: Compiled,
  values: ReadonlyMap<string, TensorData>,
  expected: NodeTest['outputs'],
  provider: Provider,
): Promise<Verdict> {
  const wanted = [...outputs].flatMap(([name, t]) => (t && expected.get(name) ? [{ name, t }] : []))
  if (wanted.length === 0) return none('no tensor comes out')
  const odd = wanted.find(({ t }) => !isPlain(t.dtype) && t.dtype !== 'string')
  // The runtime's JavaScript half aborts the process on outputs of four and eight bit floats and packed integers.
  if (odd) return none(`${odd.t.dtype} values cannot be fetched`)
  try {
    const lowered = lower(
      b,
      wanted.map(({ t }) => t),
    )
    const model = lowered.b.model(Object.fromEntries(wanted.map(({ t }, i) => [`result/${i}`, lowered.at(t)])))
    const session = await createSession(model, { threads: 1, provider })
    try {
      const feeds = Object.fromEntries(b.inputs.map((t) => [t.name, Value.fromTensor(values.get(t.name)!)]))
      const found = await session.run(feeds)
      for (const [i, { name }] of wanted.entries()) {
        const problem = difference(found[`result/${i}`]!.toTensor(), expected.get(name)!)
        if (problem) return fails(`output '${name}': ${problem}`)
      }
      return { state: 'passes' }
    } finally {
      await session.release()
    }
  } catch (error) {
    return isMissingKernel(error) ? none('ONNX Runtime has no kernel for these element types') : fails(messageOf(error))
  }
}

/** The first entry that is off by more than the standard's own runner allows (relative 1e-3, absolute 1e-7; more for half precision). */
function difference(found: TensorData, expected: TensorData): string | undefined {
  if (found.dims.join() !== expected.dims.join()) return `shape [${found.dims.join()}], expected [${expected.dims.join()}]`
  if (expected.dtype === 'string') {
    const same = expected.strings!.every((s, i) => Buffer.compare(s, found.strings![i]!) === 0)
    return same ? undefined : 'strings differ'
  }
  const [a, e] = [found.numbers(), expected.numbers()]
  const absolute = expected.dtype === 'float16' || expected.dtype === 'bfloat16' ? 1e-2 : 1e-5
  for (let i = 0; i < e.length; i++)
    if (!(Math.abs(a[i]! - e[i]!) <= absolute + 1e-3 * Math.abs(e[i]!)) && !Object.is(a[i], e[i]) && a[i] !== e[i])
      return `entry ${i}: found ${a[i]}, expected ${e[i]}`
  return undefined
}

async function differentiated(
  model: Model,
  values: ReadonlyMap<string, TensorData>,
  test: NodeTest,
  o: JudgeOptions,
): Promise<Pick<Judgement, 'first' | 'second' | 'check'>> {
  const both = (v: Verdict) => ({ first: v, second: v })
  if (![...test.outputs.values()].some((t) => t && isFloat(t.dtype) && t.size > 0)) return both(none('no float comes out'))
  const floats = [...values].flatMap(([name, v]) => (isFloat(v.dtype) && v.size > 0 ? [name] : []))
  if (floats.length === 0) return both(none('no float goes in'))
  try {
    const run = (moved: Moved | undefined) =>
      checkInBestPrecision((dtype) => subject(model, values, floats, dtype, o.seed, moved), { ...o, order: 2, threads: 1 })
    // The tests' round numbers often lie on a kink or at the end of a domain; a random step away they do not.
    let check: Check | undefined
    let moved: Moved | undefined
    for (moved of [undefined, 'both ways', 'up'] as const) {
      check = await run(moved)
      if (check.orders.every((c) => c.checked > 0 && c.skippedShare <= SKIPPED_AT_MOST)) break
    }
    if (!check) throw new Error('no check was made')
    return { ...verdicts(check), check: summary(check, moved !== undefined) }
  } catch (error) {
    const message = messageOf(error)
    return both(/^no gradient for|must be a constant/.test(message) ? none(message) : fails(message))
  }
}

function verdicts(check: Check): { first: Verdict; second: Verdict } {
  const [first, second] = check.orders.map((c): Verdict => {
    if (c.passed) return { state: 'passes' }
    return fails(`${told(c)} (seed ${check.seed}, ${check.dtype})`)
  })
  return { first: first!, second: second! }
}

const summary = (check: Check, moved: boolean): Judgement['check'] => ({
  seed: check.seed,
  dtype: check.dtype,
  maxRelativeError: Math.max(...check.orders.map((c) => c.maxRelativeError)),
  checked: check.orders.reduce((n, c) => n + c.checked, 0),
  skipped: check.orders.reduce((n, c) => n + c.skipped, 0),
  moved,
})

/** The model in one float type. As many float inputs as the rules allow are differentiated by; the others become constants. */
function subject(
  model: Model,
  values: ReadonlyMap<string, TensorData>,
  floats: readonly string[],
  dtype: 'float32' | 'float64',
  seed: number,
  moved: Moved | undefined,
): Subject {
  const typed = retype(model, dtype)
  const point = new Map([...values].map(([name, v]) => [name, isFloat(v.dtype) ? usual(tensorTo(v, dtype), name, seed, moved) : v]))
  let failure: unknown
  for (const wanted of choices(floats))
    for (const shapes of ['unknown', 'known'] as const)
      try {
        const isKnown = (name: string) => {
          const { dtype } = values.get(name)!
          return isFloat(dtype) ? !wanted.includes(name) : shapes === 'known' || !isPlain(dtype)
        }
        const { b, inputs, outputs } = compile(typed, point, isKnown)
        if (b.steps.some((step) => step.rule?.random)) throw new UnsupportedError('no gradient for what draws random numbers')
        return { b, point, wrt: wanted.map((name) => inputs.get(name)!), outputs: [...outputs.values()].flatMap((t) => t ?? []) }
      } catch (error) {
        failure ??= error
      }
  throw failure
}

/** All, then all but one, then each alone. */
function choices(names: readonly string[]): string[][] {
  const without = names.map((_, i) => names.filter((_, k) => k !== names.length - 1 - i))
  return [[...names], ...(names.length > 2 ? without : []), ...(names.length > 1 ? names.map((n) => [n]) : [])]
}

/** Finite values, each moved at random by up to 10 % of the tensor's root mean square: more than the widest step. */
function usual(data: TensorData, name: string, seed: number, moved: Moved | undefined): TensorData {
  const v = Float64Array.from(data.numbers(), (x) => (Number.isFinite(x) ? x : 0.5))
  if (moved) {
    const typical = Math.sqrt(v.reduce((s, x) => s + x * x, 0) / Math.max(1, v.length)) || 1
    const reach = 0.1 * typical
    const step = random(seed, 'moved', name).fillUniform(
      new Float64Array(sizeOf(data.dims)),
      moved === 'up' ? reach / 2 : -reach,
      reach,
    )
    for (let i = 0; i < v.length; i++) v[i]! += step[i]!
  }
  return TensorData.from(data.dtype, data.dims, v)
}

/** How the point is moved off the test's own. */
type Moved = 'both ways' | 'up'
