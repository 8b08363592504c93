import { makeGraph, makeModel, makeNode, tensorType, type Model } from '../ir/index.ts'
import type { Provider } from './options.ts'
import { createSession, type Session } from './session.ts'
import type { Value } from './value.ts'

/**
 * Whether outputs can stay on the provider's device between runs. ONNX Runtime's binding for Node hands out GPU buffers of WebGPU alone; with
 * CUDA and DirectML everything that a run answers comes back to the host and is sent again with the next one.
 */
export const keepsState = (provider: Provider): boolean => provider === 'webgpu'

export type Values = ReadonlyMap<string, Value>

/** Brings values back from a device. */
export interface Download {
  /** The same values on the host; those that are there already are handed over as they are. */
  read(values: Values): Promise<Map<string, Value>>
  release(): Promise<void>
}

/**
 * Reads device values through a program that copies its inputs to outputs on the host. Asking such a tensor itself for its data ends the process
 * in this version of ONNX Runtime ("terminate called after throwing an instance of 'char const*'"). The program is kept for the next time that
 * the same tensors come, as at every checkpoint.
 */
export function download(provider: Provider): Download {
  let made: { key: string; session: Session } | undefined
  const release = async (): Promise<void> => {
    const last = made
    made = undefined
    await last?.session.release()
  }
  return {
    async read(values) {
      const away = [...values].filter(([, v]) => v.location !== 'cpu')
      if (!away.length) return new Map(values)
      const key = JSON.stringify(away.map(([name, v]) => [name, v.dtype, v.dims]))
      if (made?.key !== key) {
        await release()
        made = { key, session: await createSession(copies(away), { provider, threads: 1, name: 'download' }) }
      }
      const out = await made.session.run(Object.fromEntries(away.map(([, v], i) => [`in${i}`, v])))
      const place = new Map(away.map(([name], i) => [name, out[`out${i}`]!]))
      return new Map([...values].map(([name, v]) => [name, place.get(name) ?? v]))
    },
    release,
  }
}

function copies(values: readonly (readonly [string, Value])[]): Model {
  const graph = makeGraph('download')
  for (const [i, [, { dtype, dims }]] of values.entries()) {
    graph.inputs.push({ name: `in${i}`, type: tensorType(dtype, dims) })
    graph.outputs.push({ name: `out${i}`, type: tensorType(dtype, dims) })
    graph.nodes.push(makeNode('Identity', [`in${i}`], [`out${i}`]))
  }
  return makeModel(graph, 17)
}
