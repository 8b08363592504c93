import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { DataError } from '../errors.ts'
import { byteLength, sizeOf, TensorData, type DataType } from '../ir/index.ts'
import type { Plan } from '../passes/index.ts'
import type { UpdatePlace } from './inPlace.ts'

/** Everything a run needs to go on as if it had never stopped. Tensors are in plain layout, whatever the compiled step uses. */
export interface Checkpoint {
  /** Steps done. */
  step: number
  state: ReadonlyMap<string, TensorData>
  /** Weights of the best evaluation so far. */
  best: { step: number; score: number; weights: ReadonlyMap<string, TensorData> } | undefined
  /** Evaluations since the best one. */
  stale: number
  /** Where parameters were updated; the graph when left out. */
  update?: UpdatePlace | undefined
  /** Forms of operators that were chosen for this machine; the usual ones when left out. */
  plan?: Plan | undefined
}

const MAGIC = 'STILLROOM-CKPT-1'

/** Writes a checkpoint so that the path holds either the old one or the new one, whatever happens in between. */
export function writeCheckpoint(path: string, c: Checkpoint): void {
  const tensors = [
    ...[...c.state].map(([name, data]) => ({ name, part: 'state', data })),
    ...[...(c.best?.weights ?? [])].map(([name, data]) => ({ name, part: 'best', data })),
  ]
  const head = {
    step: c.step,
    stale: c.stale,
    update: c.update,
    plan: c.plan,
    best: c.best && { step: c.best.step, score: c.best.score },
    tensors: tensors.map(({ name, part, data }) => ({ name, part, dtype: data.dtype, dims: data.dims })),
  }
  const json = Buffer.from(JSON.stringify(head))
  const lead = Buffer.alloc(MAGIC.length + 4)
  lead.write(MAGIC, 'latin1')
  lead.writeUInt32LE(json.length, MAGIC.length)
  const temporary = `${path}.${process.pid}.tmp`
  const file = openSync(temporary, 'w')
  try {
    for (const part of [lead, json, ...tensors.map((t) => t.data.bytes)])
      for (let at = 0; at < part.length;) at += writeSync(file, part, at)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(temporary, path)
  if (process.platform === 'win32') return
  // The rename itself must survive a power cut too.
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

/** Reads a checkpoint. Errors: DataError when the file is not one, or is cut short. */
export function readCheckpoint(path: string): Checkpoint {
  const bytes = readFileSync(path)
  const start = MAGIC.length + 4
  const wrong = (what: string) => new DataError(`not a usable checkpoint: ${what}`, { where: path, hint: 'start the run again' })
  if (bytes.length < start || bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) throw wrong('unknown format')
  const length = bytes.readUInt32LE(MAGIC.length)
  if (start + length > bytes.length) throw wrong('header cut short')
  const head = JSON.parse(bytes.toString('utf8', start, start + length)) as {
    step: number
    stale: number
    update?: UpdatePlace
    plan?: Plan
    best?: { step: number; score: number }
    tensors: { name: string; part: string; dtype: DataType; dims: number[] }[]
  }
  const state = new Map<string, TensorData>()
  const weights = new Map<string, TensorData>()
  let at = start + length
  for (const t of head.tensors) {
    const size = byteLength(t.dtype, sizeOf(t.dims))
    if (at + size > bytes.length) throw wrong(`'${t.name}' cut short`)
    const slice = new Uint8Array(bytes.subarray(at, at + size)) // a copy: aligned, and free of the file's buffer
    const into = t.part === 'best' ? weights : state
    into.set(t.name, new TensorData(t.dtype, t.dims, () => slice))
    at += size
  }
  return {
    step: head.step,
    state,
    stale: head.stale,
    update: head.update,
    plan: head.plan,
    best: head.best && { ...head.best, weights },
  }
}
