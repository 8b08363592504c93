import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  channelCount,
  defaultPreprocess,
  fitImages,
  makeSplits,
  openDataSet,
  parsePreprocess,
  pixelStatistics,
  type DataSet,
  type AnyPreprocess,
} from '../../data/index.ts'
import { choosePreprocess, openPredictor, prepared } from '../../evaluate/index.ts'
import { writeCheckpoint, type Checkpoint, type FitOptions } from '../../train/index.ts'
import type { ParsedInput } from '../contract/index.ts'
import type { HandlerContext } from './handler.ts'

/** Input of both training verbs; what `distill` adds is optional. */
export type TrainingInput = ParsedInput<'train'> & Partial<Pick<ParsedInput<'distill'>, 'teacher' | 'method' | 'option' | 'pairs'>>

/** That of the teacher, or of a student file that has one; a fresh student takes the data's own statistics. */
export async function preprocessing(
  input: TrainingInput,
  dataset: DataSet,
  train: Int32Array,
  labelled: boolean,
): Promise<{ preprocess: AnyPreprocess | undefined; text: string }> {
  const file = input.teacher ?? (/\.onnx$/.test(input.student) ? input.student : undefined)
  if (file) {
    const predictor = await openPredictor(file, { threads: input.threads, provider: input.provider })
    try {
      return await choosePreprocess(predictor, dataset, {
        wanted: input.preprocess,
        indices: train,
        labels: labelled,
        seed: input.seed,
      })
    } finally {
      await predictor.release()
    }
  }
  if (dataset.kind !== 'image') return prepared(dataset, train, input.preprocess)
  if (existsSync(input.preprocess))
    return {
      preprocess: parsePreprocess(JSON.parse(readFileSync(input.preprocess, 'utf8'))),
      text: `preprocessing from ${input.preprocess}`,
    }
  const plain = defaultPreprocess(dataset)
  const raw = await dataset.read(train.slice(0, 2000))
  if (raw.kind !== 'image' && raw.kind !== 'images') return { preprocess: plain, text: 'pixels in 0..1' }
  const { mean, std } = pixelStatistics(fitImages(raw, plain), channelCount(plain))
  const round = (v: number) => Number(v.toPrecision(4))
  const preprocess = { ...plain, mean: mean.map(round), std: std.map((v) => Math.max(1e-3, round(v))) }
  return {
    preprocess,
    text: `pixels in 0..1, less mean ${preprocess.mean.join(', ')}, over deviation ${preprocess.std.join(', ')} of the training samples`,
  }
}

/** The data of a verb with its splits. Labels that are off are never opened. */
export async function openData(input: Pick<TrainingInput, 'data' | 'labels' | 'split' | 'seed'>) {
  const dataset = await openDataSet(input.data, { labels: input.labels })
  return {
    dataset,
    splits: makeSplits(dataset, { share: input.split, seed: input.seed }),
    labelled: dataset.labelled && input.labels === 'on',
  }
}

/**
 * What a training tells goes to its run in the store and to the front door: losses to the store in batches and to the door a few times a
 * second, verdicts, messages, and checkpoints into the run's folder. `flush` at the end.
 */
export function recorder(ctx: HandlerContext<'distill'>, run: string, steps: number) {
  let pending: { split: string; name: string; step: number; value: number }[] = []
  let sent = 0
  const flush = () => {
    if (pending.length) ctx.store.addMetrics(run, pending)
    pending = []
  }
  const folder = ctx.store.runFolder(run)
  const on = {
    step(e: Parameters<NonNullable<FitOptions['on']['step']>>[0]) {
      for (const [name, value] of Object.entries(e.losses)) pending.push({ split: 'train', name, step: e.step, value })
      const now = performance.now()
      if (now - sent < 200 && e.step !== steps) return
      sent = now
      // The rate is what the schedule says: as many points as are shown are enough.
      pending.push({ split: 'rate', name: 'learning rate', step: e.step, value: e.lr })
      if (pending.length > 400) flush()
      ctx.emit('step', {
        step: e.step,
        steps: e.steps,
        losses: e.losses,
        rate: e.rate,
        etaSeconds: e.etaSeconds,
        lr: e.lr,
        peakLr: e.peak,
        memoryBytes: process.memoryUsage.rss(),
      })
    },
    evaluated(step: number, metrics: Record<string, number>) {
      flush()
      ctx.store.addMetrics(
        run,
        Object.entries(metrics).map(([name, value]) => ({ split: 'validation', name, step, value })),
      )
      ctx.emit('evaluated', { step, split: 'validation', metrics })
    },
    checkpoint(checkpoint: Checkpoint) {
      const path = join(folder, `checkpoint-${checkpoint.step}.ckpt`)
      flush()
      writeCheckpoint(path, checkpoint)
      ctx.store.addCheckpoint(run, checkpoint.step, path)
      dropOld(ctx, run, folder)
      ctx.emit('checkpoint', { step: checkpoint.step, path })
    },
    message(level: 'info' | 'warning', text: string) {
      ctx.store.addEvents(run, [{ level, text }])
      ctx.emit('message', { level, text })
    },
  }
  return { flush, on }
}

/** The two newest checkpoints stay: one more than is needed, should the newest be on a bad sector. */
function dropOld(ctx: HandlerContext<'distill'>, run: string, folder: string): void {
  const keep = new Set(
    ctx.store
      .checkpoints(run)
      .slice(-2)
      .map((c) => c.path),
  )
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (/^checkpoint-\d+\.ckpt$/.test(name) && !keep.has(path)) rmSync(path, { force: true })
  }
}
