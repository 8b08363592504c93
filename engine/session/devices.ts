import './telemetry.ts'
import { arch, cpus, platform, totalmem } from 'node:os'
import { listSupportedBackends } from 'onnxruntime-node'
import { makeGraph, makeModel, makeNode, tensorType } from '../ir/index.ts'
import { instructionSets } from './instructionSets.ts'
import { nativeStatus } from './native.ts'
import { keepsState } from './deviceState.ts'
import { physicalCores, PROVIDERS } from './options.ts'
import { whyNot } from './provider.ts'
import { createSession } from './session.ts'
import { Value } from './value.ts'

export interface Devices {
  cpu: {
    model: string
    architecture: string
    /** Physical cores that this process may use: the default number of threads. */
    cores: number
    /** Hardware threads of the machine. */
    hardwareThreads: number
    /** Instruction sets that matter to the kernels; empty where the system does not tell. */
    instructionSets: string[]
    /** Channels in a block of ONNX Runtime's blocked convolutions; 1 means that they are not usable here. */
    blockSize: number
    memoryBytes: number
  }
  /**
   * Providers in this build of ONNX Runtime; `bundled` ones need no further library. Each was tried with one node, and where it cannot be used, or
   * is none that this program uses, `why` says so. `stateOnDevice`: a training's state stays there between steps.
   */
  providers: { name: string; bundled: boolean; usable: boolean; stateOnDevice?: boolean; why?: string }[]
  platform: string
  /** The optional addon that updates parameters in place: whether it is used, with which instruction set, or why not. */
  nativeAddon: { used: boolean; isa?: string; text: string }
}

/** The processor alone. Runs one tiny graph (about 1 ms). */
export async function probeCpu(): Promise<Devices['cpu']> {
  const all = cpus()
  return {
    model: all[0]?.model.trim() || 'unknown',
    architecture: arch(),
    cores: physicalCores(),
    hardwareThreads: all.length,
    instructionSets: instructionSets(platform()),
    blockSize: await blockSize(),
    memoryBytes: totalmem(),
  }
}

/** What this machine offers. Tries every provider; the libraries of those whose driver is absent may complain on standard error, so only who asks for providers calls it. */
export async function probeDevices(): Promise<Devices> {
  return {
    cpu: await probeCpu(),
    providers: await Promise.all(listSupportedBackends().map(({ name, bundled }) => tried(name, bundled))),
    platform: platform(),
    nativeAddon: nativeStatus(),
  }
}

async function tried(name: string, bundled: boolean): Promise<Devices['providers'][number]> {
  const provider = PROVIDERS.find((p) => p === name)
  const why = provider ? await whyNot(provider) : 'not used by this program'
  if (why !== undefined) return { name, bundled, usable: false, why }
  return { name, bundled, usable: true, ...(keepsState(provider!) ? { stateOnDevice: true } : {}) }
}

let probed: Promise<number> | undefined

/**
 * Channels in a block of ONNX Runtime's NCHWc layout on this CPU: 16, 8, or 1 where it has no such kernels.
 * A graph blocked for another size is accepted and silently wrong, so the size is measured: 0..63 goes through one
 * ReorderInput, and the first block shows how many channels lie side by side.
 */
export function blockSize(): Promise<number> {
  return (probed ??= probeBlockSize())
}

async function probeBlockSize(): Promise<number> {
  const graph = makeGraph('block-size')
  const type = tensorType('float32', [1, 16, 2, 2])
  graph.inputs = [{ name: 'x', type }]
  graph.outputs = [{ name: 'y', type }]
  graph.nodes = [makeNode('ReorderInput', ['x'], ['y'], {}, { domain: 'com.microsoft.nchwc' })]
  const opsets = new Map([
    ['', 17],
    ['com.microsoft.nchwc', 1],
  ])
  try {
    const session = await createSession(makeModel(graph, 17, { opsets }), { threads: 1 })
    const x = Float32Array.from({ length: 64 }, (_, i) => i)
    const y = (await session.run({ x: Value.of('float32', [1, 16, 2, 2], x) })).y!.data
    await session.release()
    let block = 1
    while (block < 16 && y[block] === block * 4) block++
    return block
  } catch {
    return 1
  }
}
