import { statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { assertValid, type DataType, type Model, type Shape, type ValueInfo } from '../ir/index.ts'
import { readModel } from '../onnx/index.ts'
import { probeFile } from './guard.ts'
import { fedInputs } from './samples.ts'
import { tabulate, type Layer } from './table.ts'
import { missingGradients, type MissingGradient } from './trainable.ts'
import { warningsOf } from './warnings.ts'

export interface PortSummary {
  name: string
  /** Element type, or the kind of a value that is no tensor (`sequence`, `map`, …). */
  dtype: DataType | string
  shape: Shape
}

export interface Inspection {
  format: string
  irVersion: number
  opset: number
  /** Opset of every imported domain. */
  opsets: Record<string, number>
  producer: string
  inputs: PortSummary[]
  outputs: PortSummary[]
  /** Shapes that costs are stated for: symbolic dimensions given a size. */
  probedAt: Record<string, readonly number[]>
  nodes: number
  parameters: number
  /** The file, and its external data. */
  bytes: number
  macs: number | null
  activationBytes: number | null
  activationTotalBytes: number | null
  ops: Record<string, number>
  layers: Layer[]
  differentiable: boolean
  missingGradients: MissingGradient[]
  metadata: Record<string, string>
  warnings: string[]
}

export interface InspectOptions {
  /** Longest time for loading and probing, in milliseconds. */
  limitMs?: number
}

/**
 * Looks inside a model file. The file is read and verified here; ONNX Runtime sees it in a process of its own, since some
 * files crash it.
 * Errors: ModelError or UnsupportedError with the reason why the file cannot be opened.
 */
export async function inspectModel(path: string, options: InspectOptions = {}): Promise<Inspection> {
  const name = basename(path)
  const model = await readModel(path, { name })
  assertValid(model, name)
  const bytes = fileBytes(path, model)
  // What loading holds: the file, its weights, and the encoded copies that are probed.
  const memoryBytes = 640 * 2 ** 20 + 6 * bytes
  const probe = await probeFile(path, { memoryBytes, limitMs: options.limitMs ?? 20_000 + bytes / 1e5 })
  const table = tabulate(model, probe.types)
  const missing = missingGradients(model, probe.types)
  return {
    format: 'onnx',
    irVersion: model.irVersion,
    opset: model.opsets.get('') ?? 0,
    opsets: Object.fromEntries([...model.opsets].map(([domain, version]) => [domain || 'ai.onnx', version])),
    producer: [model.producerName, model.producerVersion].filter(Boolean).join(' '),
    inputs: fedInputs(model.graph).map(portSummary),
    outputs: model.graph.outputs.map((v) => portSummary(v)),
    probedAt: Object.fromEntries(probe.inputs),
    nodes: table.nodes,
    parameters: table.parameters,
    bytes,
    macs: table.macs,
    activationBytes: table.activationBytes,
    activationTotalBytes: table.activationTotalBytes,
    ops: table.ops,
    layers: table.layers,
    differentiable: missing.length === 0,
    missingGradients: missing,
    metadata: Object.fromEntries(model.metadata),
    warnings: warningsOf(model, probe, table),
  }
}

function portSummary({ name, type }: ValueInfo): PortSummary {
  if (type?.kind === 'tensor') return { name, dtype: type.dtype, shape: type.shape ?? [] }
  return { name, dtype: type?.kind ?? 'unknown', shape: [] }
}

/** Bytes on disk: the model and the data files that its weights refer to. */
export function fileBytes(path: string, model: Model): number {
  const files = new Set([resolve(path)])
  for (const data of model.graph.initializers.values()) {
    const location = externalLocation(data.origin)
    if (location) files.add(resolve(dirname(path), location))
  }
  let bytes = 0
  for (const file of files) bytes += statSync(file, { throwIfNoEntry: false })?.size ?? 0
  return bytes
}

/** The reader keeps a tensor's own message as its origin; data files are named there. */
function externalLocation(origin: unknown): string | undefined {
  const message = (
    origin as { message?: { data_location?: number; external_data?: { key?: string; value?: string }[] } } | undefined
  )?.message
  return message?.data_location === 1 ? message.external_data?.find((e) => e.key === 'location')?.value : undefined
}
