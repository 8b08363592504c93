import './telemetry.ts'
import { listSupportedBackends } from 'onnxruntime-node'
import { OptionError } from '../errors.ts'
import { makeGraph, makeModel, makeNode, tensorType } from '../ir/index.ts'
import type { Provider } from './options.ts'
import { createSession } from './session.ts'
import { Value } from './value.ts'

/** What a person can do to have a provider. */
const REMEDY: Readonly<Record<Provider, string>> = {
  cpu: 'install the package onnxruntime-node again',
  webgpu: 'it needs a graphics driver: Vulkan on Linux, Direct3D 12 on Windows, Metal on macOS; see docs/gpu.md',
  cuda: 'on Linux x64 with an NVIDIA driver, CUDA 12 and cuDNN 9: `npm run install:cuda`; see docs/gpu.md',
  dml: 'DirectML is part of Windows',
  coreml: 'Core ML is part of macOS',
}

/** Why each provider cannot be used on this machine; undefined where it can. Asked once a process. */
const known = new Map<Provider, Promise<string | undefined>>()

/** Whether this build has the provider, without loading it. */
const built = (provider: Provider): boolean => listSupportedBackends().some((b) => b.name === provider)

/**
 * Tries a provider with a graph of one node: a GPU needs more than its name in a list, namely a driver and a device. Answers why it cannot be
 * used, or undefined where it can.
 */
export function whyNot(provider: Provider): Promise<string | undefined> {
  const asked = known.get(provider)
  if (asked) return asked
  const answer = built(provider) ? attempt(provider) : Promise.resolve('not part of this build of ONNX Runtime')
  known.set(provider, answer)
  return answer
}

async function attempt(provider: Provider): Promise<string | undefined> {
  const graph = makeGraph('provider')
  const type = tensorType('float32', [2])
  graph.inputs = [{ name: 'x', type }]
  graph.outputs = [{ name: 'y', type }]
  graph.nodes = [makeNode('Add', ['x', 'x'], ['y'])]
  try {
    const session = await createSession(makeModel(graph, 17), { provider, threads: 1 })
    const { y } = await session.run({ x: Value.from('float32', [2], [1, 2]) })
    const right = y!.data[0] === 2 && y!.data[1] === 4
    await session.release()
    return right ? undefined : 'its device computes wrongly: 1 + 1 and 2 + 2 were not 2 and 4'
  } catch (error) {
    return reason(error)
  }
}

/** What the runtime's message means, where it is one of those that a machine without the device gives; else the message. */
function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  if (text.includes('Failed to get a WebGPU adapter')) return 'no graphics device was found'
  if (text.includes('Failed to load shared library')) return 'its library, or one that it needs, is not installed'
  return text.replace(/^ONNX Runtime: /, '')
}

/** Errors: OptionError that says why the provider cannot be used here and what to do. Call it before anything is made for a run. */
export async function requireProvider(provider: Provider): Promise<void> {
  if (provider === 'cpu') return
  const why = await whyNot(provider)
  if (why === undefined) return
  throw new OptionError(`provider '${provider}' cannot be used here: ${why}`, { where: 'provider', hint: REMEDY[provider] })
}
