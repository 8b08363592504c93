import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { BugError } from '../errors.ts'
import { physicalCores } from './options.ts'

export type UpdateKind = 'sgd' | 'adam' | 'adamw' | 'lion'

/** One optimizer step over many tensors, in place. The lists hold an entry for each tensor, all of the length of its parameter. */
export interface NativeUpdate {
  kind: UpdateKind
  /** Changed: parameters, and below their state. */
  params: readonly Float32Array[]
  grads: readonly Float32Array[]
  /** Velocity (sgd), first moment (the others). */
  m: readonly Float32Array[]
  /** Second moment: adam and adamw. */
  v?: readonly Float32Array[] | undefined
  /** Moving averages of the new parameters; undefined where a tensor has none. */
  averages?: readonly (Float32Array | undefined)[] | undefined
  /** Multipliers of the learning rate; 1 for all when left out. */
  rates?: Float32Array | undefined
  /** Weight decay of each tensor; none when left out. */
  decays?: Float32Array | undefined
  lr: number
  /** `beta1` is the momentum of sgd. */
  beta1: number
  beta2?: number | undefined
  epsilon?: number | undefined
  nesterov?: boolean | undefined
  /** Bias corrections of adam and adamw: 1 / (1 - beta1^t) and 1 / sqrt(1 - beta2^t). */
  first?: number | undefined
  second?: number | undefined
  /** Decay of the moving averages. */
  averageDecay?: number | undefined
  /** Bound of the norm of all gradients together; none when left out. */
  clip?: number | undefined
  /** Factor of the gradients before anything else but the norm for clipping, which is that of the gradients as given. Default 1. */
  scale?: number | undefined
  /**
   * What gradients that are not finite do. `report` (the default): they are told of after the update. `skip`: nothing is changed then,
   * as a loss scaler wants it; costs one more reading of the gradients where nothing is clipped.
   */
  check?: 'report' | 'skip' | undefined
  /** Threads, at least 1. Default: physical cores. The result has the same bits for every number. */
  threads?: number | undefined
  /** Instruction set, for tests. Default: the widest. All give the same bits. */
  isa?: string | undefined
}

export interface NativeOutcome {
  /** Norm of all gradients before clipping; NaN where neither clipping nor `skip` needed it. */
  norm: number
  finite: boolean
  applied: boolean
}

interface Binding {
  abi: number
  isas: string[]
  update(job: object): NativeOutcome
  copy(job: { to: Float32Array; from: Float32Array; threads: number; piece: number }): void
}

export interface NativeAddon {
  /** Instruction sets that this processor has kernels for, the widest last. */
  readonly isas: readonly string[]
  update(job: NativeUpdate): NativeOutcome
  /** Copies on several threads, in pieces of so many bytes: what the memory gives, to measure an update against. */
  copy(to: Float32Array, from: Float32Array, threads: number, piece: number): void
}

/** What the functions of the binary take; native/src/addon.cpp has the same number. */
const ABI = 2

const BINARY = join('native', 'build', 'stillroom_native.node')
/** The repository's root, seen from the sources and from the built engine host, which is also how a packed app lies. */
const PLACES = [join('..', '..'), join('..', '..', '..', '..')].map((up) => resolve(import.meta.dirname, up, BINARY))

let loaded: { addon: NativeAddon | undefined; why: string } | undefined

/**
 * The native addon, or undefined where it was not built, does not fit, or the environment variable STILLROOM_NATIVE is `off`. Everything
 * works without it.
 */
export const nativeAddon = (): NativeAddon | undefined => (loaded ??= load()).addon

/** What `devices` says about it: in use with which instruction set, or why not. */
export function nativeStatus(): { used: boolean; isa?: string; text: string } {
  const { addon, why } = (loaded ??= load())
  const isa = addon?.isas.at(-1)
  return isa === undefined ? { used: false, text: why } : { used: true, isa, text: `in use (${isa})` }
}

function load(): { addon: NativeAddon | undefined; why: string } {
  if (/^(off|0|false|no)$/i.test(process.env.STILLROOM_NATIVE ?? ''))
    return { addon: undefined, why: 'off, as STILLROOM_NATIVE says' }
  const path = PLACES.find((place) => existsSync(place))
  if (path === undefined) return { addon: undefined, why: 'not built' }
  try {
    const binding = createRequire(import.meta.url)(path) as Binding
    if (binding.abi !== ABI) return { addon: undefined, why: 'built from another version: npm run build:native' }
    return { addon: wrap(binding), why: '' }
  } catch (error) {
    return { addon: undefined, why: `does not load: ${(error as Error).message.split('\n')[0]}` }
  }
}

function wrap(binding: Binding): NativeAddon {
  return {
    isas: binding.isas,
    update(job) {
      const n = job.params.length
      const threads = job.threads ?? physicalCores()
      if (!(Number.isInteger(threads) && threads >= 1))
        throw new BugError(`native update: expected threads of at least 1, found ${threads}`)
      return binding.update({
        ...job,
        rates: job.rates ?? new Float32Array(n).fill(1),
        decays: job.decays ?? new Float32Array(n),
        beta2: job.beta2 ?? 0,
        epsilon: job.epsilon ?? 0,
        nesterov: job.nesterov ? 1 : 0,
        first: job.first ?? 1,
        second: job.second ?? 1,
        averageDecay: job.averageDecay ?? 0,
        clip: job.clip ?? 0,
        scale: job.scale ?? 1,
        check: job.check ?? 'report',
        threads,
        isa: job.isa ?? 'best',
      })
    },
    copy: (to, from, threads, piece) => binding.copy({ to, from, threads, piece }),
  }
}
