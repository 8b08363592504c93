import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Model } from '../ir/index.ts'
import { createSession, type Feeds, type Value } from '../session/index.ts'
import { encodeNpy } from './npy.ts'

/** Inputs and what the source model answers. */
export interface Golden {
  inputs: Feeds
  outputs: Record<string, Value>
  /** Where the inputs are from, for readers. */
  origin: string
}

/** Tensors that a model answers with, in one thread. `model` may be a file. */
export async function answers(model: Model | string, inputs: Feeds): Promise<Record<string, Value>> {
  const session = await createSession(model, { threads: 1, ...(typeof model === 'string' ? {} : { name: 'source model' }) })
  try {
    return await session.run(
      inputs,
      session.outputs.filter((port) => port.dtype !== undefined).map((port) => port.name),
    )
  } finally {
    await session.release()
  }
}

/** Largest absolute difference over all outputs; NaN where only one side has it counts as Infinity. */
export function maxAbsError(expected: Readonly<Record<string, Value>>, found: Readonly<Record<string, Value>>): number {
  let largest = 0
  for (const [name, value] of Object.entries(expected)) {
    const other = found[name]
    if (!other || other.size !== value.size) return Infinity
    if (value.dtype === 'string') {
      if (value.text.some((s, i) => s !== other.text[i])) return Infinity
      continue
    }
    const [a, b] = [value.numbers(), other.numbers()]
    for (let i = 0; i < a.length; i++) {
      const d = Object.is(a[i], b[i]) ? 0 : Math.abs(a[i]! - b[i]!)
      largest = Math.max(largest, Number.isNaN(d) ? Infinity : d)
    }
  }
  return largest
}

/** Writes `input-0.npy …`, `output-0.npy …` and `golden.json`, which names them and holds strings. */
export function writeGolden(folder: string, golden: Golden): void {
  mkdirSync(folder, { recursive: true })
  const write = (side: 'input' | 'output', values: Readonly<Record<string, Value>>) =>
    Object.entries(values).map(([name, value], i) => {
      if (value.dtype === 'string') return { name, dtype: value.dtype, shape: [...value.dims], values: value.text }
      const file = `${side}-${i}.npy`
      writeFileSync(join(folder, file), encodeNpy(value.toTensor()))
      return { name, file, dtype: value.dtype, shape: [...value.dims] }
    })
  const document = { origin: golden.origin, inputs: write('input', golden.inputs), outputs: write('output', golden.outputs) }
  writeFileSync(join(folder, 'golden.json'), `${JSON.stringify(document, null, 2)}\n`)
}
