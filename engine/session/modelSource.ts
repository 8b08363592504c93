import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { byteLength, sizeOf, type Model } from '../ir/index.ts'
import { encodeModel, writeModel } from '../onnx/index.ts'

/** Weights beyond this go to a file: a protobuf message holds at most 2 GiB. */
const EMBEDDED = 1.9e9

export interface ModelSource {
  /** Bytes, or the path of a file. */
  model: string | Uint8Array
  /** Removes what was written; after the session has loaded the model, it is not needed any more. */
  clean(): void
}

/** A graph of the IR in a form that ONNX Runtime reads; large ones go through a temporary folder. */
export async function sourceOf(model: Model, embedded = EMBEDDED): Promise<ModelSource> {
  let weights = 0
  for (const { dtype, dims } of model.graph.initializers.values()) weights += byteLength(dtype, sizeOf(dims))
  if (weights <= embedded) return { model: encodeModel(model), clean: () => undefined }
  const folder = mkdtempSync(join(tmpdir(), 'stillroom-model-'))
  const clean = () => {
    try {
      rmSync(folder, { recursive: true, force: true })
    } catch {
      // Windows keeps mapped files until the session ends; the system's own cleaning of temporary files has to do.
    }
  }
  try {
    const path = join(folder, 'model.onnx')
    await writeModel(model, path, { external: { file: 'weights.data' } })
    return { model: path, clean }
  } catch (error) {
    clean()
    throw error
  }
}
