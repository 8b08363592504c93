import { ModelError, StillroomError } from '../errors.ts'
import { bindDims, fedInputs, rebatch, sampleFeeds, shapeOf } from '../inspect/index.ts'
import { makeGraph, tensorType } from '../ir/index.ts'
import { readModel } from '../onnx/index.ts'
import { createSession, type Feeds, type Session, type SessionOptions } from '../session/index.ts'

/** A model ready to be timed. */
export interface Subject {
  path: string
  session: Session
  feeds: Feeds
}

/** Sizes tried for free dimensions that are no batch, the likely ones first. */
const SIZES = [8, 1, 32, 64, 128, 224, 256, 512, 1024]

/**
 * Loads a model file (.onnx or .ort) and finds inputs of `batch` samples that it accepts. The file is run as it is; only a model
 * with another fixed batch is re-batched first.
 * Errors: ModelError when no trial input fits; UnsupportedError when the batch cannot be had.
 */
export async function openSubject(path: string, batch: number, options: SessionOptions): Promise<Subject> {
  let session = await createSession(path, { ...options, name: path })
  const lead = session.inputs[0]?.shape?.[0]
  if (typeof lead === 'number' && (session.inputs[0]?.shape?.length ?? 0) > 1 && lead !== batch && /\.onnx$/i.test(path)) {
    await session.release()
    session = await createSession(await rebatch(await readModel(path)), { ...options, name: path })
  }
  const graph = makeGraph(path)
  graph.inputs = session.inputs.map((p) => ({ name: p.name, type: p.dtype && tensorType(p.dtype, p.shape) }))
  const free = fedInputs(graph).some((v) => shapeOf(v)?.some((d) => typeof d === 'string') ?? true)
  let failure: StillroomError | undefined
  for (const size of free ? SIZES : SIZES.slice(0, 1)) {
    const feeds = sampleFeeds(graph, bindDims(graph, size, batch))
    if (!feeds) break
    try {
      await session.run(feeds)
      return { path, session, feeds }
    } catch (error) {
      if (!(error instanceof StillroomError)) throw error
      failure ??= error
    }
  }
  await session.release()
  throw failure ?? new ModelError('its inputs are not plain tensors', { where: path })
}
