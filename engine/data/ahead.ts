/**
 * Batches made ahead of the step that needs them, on a thread of their own: reading, decoding and augmentation then cost no time of the
 * trainer's thread, which a step blocks. The batches are the same, bit for bit: a batch depends on the options and its step alone.
 */
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { StillroomError } from '../errors.ts'
import type { AheadAnswer, AheadJob } from './aheadWorker.ts'
import { makeBatcher, type BatcherOptions } from './batcher.ts'
import { augmentOrigin, originOf } from './origin.ts'
import type { Batch, Batcher } from './types.ts'

/** Batches that are made or waiting beyond the one in use. */
const DEPTH = 3
/** Steps whose batches are made in line before it is decided. */
const TRIED = 6
/** Share of the time that loading takes in line from which on a thread pays: starting one costs some tenths of a second. */
const WORTH = 0.03

export interface AheadOptions {
  /** `auto` starts the thread when loading takes a noticeable share of the time, `on` at once, `off` never. Default `auto`. */
  ahead?: 'auto' | 'on' | 'off' | undefined
}

export interface AheadBatcher extends Batcher {
  /** Milliseconds that callers waited for batches so far, the making of batches in line included. */
  readonly waitedMs: number
  /** Whether batches come from a thread of their own. */
  readonly threaded: boolean
  release(): Promise<void>
}

const SELF = import.meta.url

/**
 * Batches as `makeBatcher` makes them, ahead where the set can be opened again by its path and its augmentations are known by name; otherwise,
 * and where the thread fails to start, in line. Ask for steps in order: others are made in line. Errors: those of `makeBatcher`.
 */
export function batchesAhead(options: BatcherOptions & AheadOptions): AheadBatcher {
  const inline = makeBatcher(options)
  const mode = options.ahead ?? 'auto'
  const job = mode === 'off' || options.dataset.kind === 'graph' ? undefined : jobOf(options)
  let made = 0
  let waited = 0
  let started = 0
  let tried = job === undefined
  let line: Line | undefined

  const begin = (): void => {
    tried = true
    line = new Line(job!)
  }
  const fetched = async (step: number): Promise<Batch> => {
    // While the thread starts, nothing is asked of it: nobody shall wait for that.
    return (line?.ready ? await line.at(step) : undefined) ?? inline.at(step)
  }
  if (mode === 'on' && !tried) begin()
  const { batch, stepsPerEpoch, shape, inputs, target, fixedViews } = inline
  return {
    ...{ batch, stepsPerEpoch, shape, inputs, fixedViews, ...(target ? { target } : {}) },
    async at(step) {
      const from = performance.now()
      started ||= from
      const found = await fetched(step)
      const now = performance.now()
      waited += now - from
      if (!tried && ++made === TRIED && mode === 'auto') {
        // The first batch opens files and fills caches of the processor: what comes after it is judged.
        if (waited / (now - started) > WORTH) begin()
        else tried = true
      }
      return found
    },
    get waitedMs() {
      return waited
    },
    get threaded() {
      return line?.ready ?? false
    },
    async release() {
      await line?.end()
    },
  }
}

/** What the thread needs to make the same batches; undefined where that cannot be told to another thread. */
function jobOf({ dataset, augment = [], ahead: _, ...options }: BatcherOptions & AheadOptions): AheadJob | undefined {
  const origin = originOf(dataset)
  const known = augment.flatMap((a) => augmentOrigin(a) ?? [])
  if (!origin || known.length < augment.length) return undefined
  const { length, labelled } = dataset
  return { origin, expected: { length, labelled }, augment: known, options }
}

/** The thread and what was asked of it. */
class Line {
  ready = false
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #failed = false

  constructor(job: AheadJob) {
    this.#worker = new Worker(fileURLToPath(new URL(`./aheadWorker${extname(fileURLToPath(SELF))}`, SELF)), { workerData: job })
    this.#worker.on('message', (answer: AheadAnswer) => this.#take(answer))
    this.#worker.on('error', () => this.#fail())
    this.#worker.on('exit', () => this.#fail())
  }

  /** The batch of a step if it was asked for before; undefined otherwise, and where the thread is of no use. The next ones are asked for. */
  async at(step: number): Promise<Batch | undefined> {
    // What was asked for before a jump is of no use any more.
    for (const s of this.#waiting.keys()) if (s < step || s > step + DEPTH) this.#waiting.delete(s)
    for (let s = step + 1; s <= step + DEPTH; s++) if (!this.#failed && !this.#waiting.has(s)) this.#ask(s)
    const found = await this.#waiting.get(step)?.batch
    this.#waiting.delete(step)
    return found
  }

  async end(): Promise<void> {
    this.#fail()
    await this.#worker.terminate()
  }

  #ask(step: number): void {
    let answer!: Waiting['answer']
    let refuse!: Waiting['refuse']
    const batch = new Promise<Batch | undefined>((resolve, reject) => ([answer, refuse] = [resolve, reject]))
    // It may fail before anybody waits for it.
    batch.catch(() => undefined)
    this.#waiting.set(step, { batch, answer, refuse })
    this.#worker.postMessage(step)
  }

  #take(answer: AheadAnswer): void {
    if ('ready' in answer) this.ready = true
    else if (answer.step === undefined) this.#fail()
    else if ('batch' in answer) this.#waiting.get(answer.step)?.answer(answer.batch)
    else {
      const { code, message, where, hint } = answer.error
      const place = { ...(where === undefined ? {} : { where }), ...(hint === undefined ? {} : { hint }) }
      this.#waiting.get(answer.step)?.refuse(code ? new StillroomError(code, message, place) : new Error(message))
    }
  }

  /** Everything that was asked is then answered in line. */
  #fail(): void {
    this.#failed = true
    this.ready = false
    for (const { answer } of this.#waiting.values()) answer(undefined)
  }
}

interface Waiting {
  batch: Promise<Batch | undefined>
  answer(batch: Batch | undefined): void
  refuse(error: Error): void
}
