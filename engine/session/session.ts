import './telemetry.ts'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { env, InferenceSession, listSupportedBackends } from 'onnxruntime-node'
import { BugError, OptionError, RuntimeError } from '../errors.ts'
import { showShape, type DataType, type Model, type Shape } from '../ir/index.ts'
import { explain } from './explain.ts'
import { holdPlace, leavePlace, takePlace } from './live.ts'
import { sourceOf, type ModelSource } from './modelSource.ts'
import { runtimeOptions, type SessionOptions } from './options.ts'
import { readProfile, type NodeTime } from './profile.ts'
import { withoutRefused } from './refused.ts'
import { Value } from './value.ts'

/** The environment logs apart from the sessions; warnings about the machine's devices are of no use here. */
env.logLevel = 'fatal'

/** A tensor at a session's boundary. `dtype` is undefined for sequences, maps and optionals. */
export interface Port {
  readonly name: string
  readonly dtype: DataType | undefined
  readonly shape: Shape | undefined
}

export type Feeds = Readonly<Record<string, Value>>

/** A model ready to run. `run` blocks its thread while the graph runs. */
export class Session {
  readonly name: string
  readonly inputs: readonly Port[]
  readonly outputs: readonly Port[]
  readonly #profileFolder: string | undefined
  readonly #place: ReturnType<typeof takePlace>
  #ort: InferenceSession | undefined

  /** @internal Use `createSession`. */
  constructor(ort: InferenceSession, name: string, profileFolder: string | undefined, place: ReturnType<typeof takePlace>) {
    this.#ort = ort
    this.#place = place
    holdPlace(this, place)
    this.name = name
    this.inputs = ort.inputMetadata.map(port)
    this.outputs = ort.outputMetadata.map(port)
    this.#profileFolder = profileFolder
  }

  /**
   * Runs the graph. `feeds` holds every input (others are ignored), `fetches` names the wanted outputs (default: all).
   * Fresh outputs: nothing that was returned before is overwritten.
   * Errors: RuntimeError naming the input that is missing or does not fit, or the node that failed.
   */
  async run(feeds: Feeds, fetches?: readonly string[]): Promise<Record<string, Value>> {
    const ort = this.#ort
    if (!ort) throw new BugError(`session '${this.name}' was released`)
    const given: Record<string, Value['ort']> = {}
    for (const input of this.inputs) {
      const value = feeds[input.name]
      if (!value)
        throw new RuntimeError(`input '${input.name}' is missing`, {
          where: this.name,
          hint: `inputs are ${this.inputs.map((p) => p.name).join(', ')}`,
        })
      checkFeed(input, value, this.name)
      given[input.name] = value.ort
    }
    for (const name of fetches ?? [])
      if (!this.outputs.some((p) => p.name === name))
        throw new RuntimeError(`there is no output '${name}'`, {
          where: this.name,
          hint: `outputs are ${this.outputs.map((p) => p.name).join(', ')}`,
        })
    try {
      const results = fetches ? await ort.run(given, [...fetches]) : await ort.run(given)
      const out: Record<string, Value> = {}
      for (const [name, tensor] of Object.entries(results)) out[name] = new Value(tensor, true)
      return out
    } catch (error) {
      throw explain(error, this.name)
    }
  }

  /** Ends profiling and gives the times of all nodes over all runs so far. Needs the option `profile`; works once. */
  profile(): NodeTime[] {
    if (!this.#profileFolder || !this.#ort) throw new BugError('the session was not made with the option profile')
    this.#ort.endProfiling()
    return readProfile(this.#profileFolder)
  }

  /** Frees the native session; further runs are refused. */
  async release(): Promise<void> {
    const ort = this.#ort
    this.#ort = undefined
    leavePlace(this.#place)
    await ort?.release()
    if (this.#profileFolder) rmSync(this.#profileFolder, { recursive: true, force: true })
  }
}

/**
 * Loads a model: a path (external data beside it), the bytes of a file, or a graph of the IR.
 * Errors: ModelError or UnsupportedError where ONNX Runtime refuses the model, with its reason in one line; RuntimeError where too many
 * sessions are alive (`LIVE_SESSIONS`).
 */
export async function createSession(model: string | Uint8Array | Model, options: SessionOptions = {}): Promise<Session> {
  const name = options.name ?? (typeof model === 'string' ? model : 'model')
  const provider = options.provider ?? 'cpu'
  if (!listSupportedBackends().some((b) => b.name === provider))
    throw new OptionError(`provider '${provider}' is not part of this build of ONNX Runtime`, {
      where: 'provider',
      hint: 'see `stillroom devices`',
    })
  if (options.threads !== undefined && !(Number.isInteger(options.threads) && options.threads >= 1))
    throw new OptionError(`threads must be a whole number of at least 1, found ${options.threads}`, { where: 'threads' })
  const kept = isModel(model) && provider === 'webgpu' ? withoutRefused(model) : undefined
  const outputs = options.onDevice && isModel(model) ? model.graph.outputs.map((v) => v.name) : (options.onDevice ?? [])
  const place = takePlace(name)
  let source: ModelSource | undefined
  let profile: string | undefined
  try {
    source = isModel(model) ? await sourceOf(kept?.model ?? model) : undefined
    profile = options.profile ? mkdtempSync(join(tmpdir(), 'stillroom-profile-')) : undefined
    const given = runtimeOptions(options, outputs, profile && join(profile, 'run'), kept?.names)
    const from = source ? source.model : (model as string | Uint8Array)
    const ort = typeof from === 'string' ? await InferenceSession.create(from, given) : await InferenceSession.create(from, given)
    return new Session(ort, name, profile, place)
  } catch (error) {
    leavePlace(place)
    if (profile) rmSync(profile, { recursive: true, force: true })
    throw explain(error, name)
  } finally {
    source?.clean()
  }
}

const isModel = (model: string | Uint8Array | Model): model is Model => typeof model === 'object' && 'graph' in model

function port(m: InferenceSession.ValueMetadata): Port {
  if (!m.isTensor) return { name: m.name, dtype: undefined, shape: undefined }
  return { name: m.name, dtype: m.type, shape: m.shape }
}

/** Says what does not fit in our words; named dimensions take any size. */
function checkFeed(input: Port, value: Value, name: string): void {
  if (!input.dtype || !input.shape) return
  const fits = input.shape.length === value.dims.length && input.shape.every((d, i) => typeof d !== 'number' || d === value.dims[i])
  if (input.dtype === value.dtype && (fits || input.shape.length === 0)) return
  throw new RuntimeError(
    `input '${input.name}' is ${value.dtype}${showShape(value.dims)}, expected ${input.dtype}${showShape(input.shape)}`,
    { where: name },
  )
}
