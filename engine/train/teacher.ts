import { findOutputCache, writeOutputCache, type Batch, type Batcher } from '../data/index.ts'
import { UnsupportedError } from '../errors.ts'
import type { FitOptions } from './fit.ts'
import { logitsOf, openAnswerer, type Answers } from './logits.ts'
import { shapesOf } from './nets.ts'
import type { Net } from './program.ts'

/** Where the teacher's answers to a training batch come from. */
export type TeacherFeed =
  | { kind: 'none' }
  | { kind: 'inside' }
  | { kind: 'fed'; shape: readonly number[]; at(batch: Batch): Promise<Float32Array>; release(): Promise<void> }

/** Teacher outputs once on disk order when views are fixed; otherwise the teacher joins the step graph; otherwise it is run on its own. */
export async function teacherFeed(o: FitOptions, batcher: Batcher): Promise<TeacherFeed> {
  const { teacher } = o
  if (!teacher) return { kind: 'none' }
  const features = o.methods.some((m) => m.method.needs.features)
  if (!features && (batcher.fixedViews || o.cleanTeacher)) {
    // A graph's batches hold its other nodes too.
    const all = o.samples.dataset.kind === 'graph'
    const order = all ? Int32Array.from({ length: batcher.batch }, (_, i) => i) : Int32Array.from(o.splits.train).sort()
    const { rows, classes, shape } = await teacherRows(o, teacher, order)
    const place = new Map([...order].map((index, at) => [index, at]))
    const at = (batch: Batch): Promise<Float32Array> => {
      const out = new Float32Array(batch.index.length * classes)
      batch.index.forEach((index, n) =>
        out.set(rows.subarray(place.get(index)! * classes, (place.get(index)! + 1) * classes), n * classes),
      )
      return Promise.resolve(out)
    }
    return { kind: 'fed', shape: [batcher.batch, ...shape], at, release: () => Promise.resolve() }
  }
  const why = teacher.group === undefined ? whyNotInside(teacher, batcher) : `it takes ${teacher.group} samples at a time`
  if (why === undefined) return { kind: 'inside' }
  if (features)
    throw new UnsupportedError(
      `the teacher cannot be part of the training step, which a method that compares layers needs: ${why}`,
      {
        hint: 'use methods that compare answers',
      },
    )
  o.on?.message?.('info', `the teacher runs apart from the training step: ${why}`)
  const answerer = await openAnswerer(teacher, o)
  const { shape } = await answerer.rowsOf((await batcher.at(0)).inputs)
  const at = async (batch: Batch): Promise<Float32Array> => (await answerer.rowsOf(batch.inputs)).rows
  return { kind: 'fed', shape: [batcher.batch, ...shape], at, release: () => answerer.release() }
}

/** What keeps a teacher out of the step graph, e.g. an operator without a rule; undefined when nothing does. */
function whyNotInside(teacher: Net, { inputs }: Batcher): string | undefined {
  try {
    shapesOf(teacher, inputs)
    return undefined
  } catch (error) {
    if (error instanceof UnsupportedError) return error.message
    throw error
  }
}

/** The teacher's logits of samples, from the disk where an earlier run left them. */
export async function teacherRows(o: FitOptions, teacher: Net, order: Int32Array): Promise<Answers> {
  const run = () => logitsOf(teacher, o.samples, order, { threads: o.threads, provider: o.provider })
  if (!o.cache) return run()
  const { dataset, preprocess } = o.samples
  // Threads and provider count too: other ones may round the last bit otherwise, and a run must not depend on what ran before it.
  const how = { preprocess: preprocess ?? null, threads: o.threads ?? null, provider: o.provider }
  const key = {
    teacher: o.cache.teacher,
    dataset: await dataset.contentHash(),
    preprocess: how,
    indices: order,
    outputs: [teacher.logits],
  }
  const found = await findOutputCache(o.cache.folder, key)
  if (found) {
    const rows = found.rows(teacher.logits, order)
    const shape = found.outputs[0]!.dims
    found.close()
    return { rows, classes: rows.length / order.length, shape }
  }
  const made = await run()
  const writer = await writeOutputCache(o.cache.folder, key, { [teacher.logits]: made.shape })
  await writer.add({ [teacher.logits]: made.rows })
  ;(await writer.commit()).close()
  return made
}
