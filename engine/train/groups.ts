import type { BatchInput } from '../data/index.ts'

/** Answers to some samples: `rows` row-major, one for each. */
export interface Rows {
  rows: Float32Array
  /** Of one row. */
  shape: readonly number[]
}

/**
 * A model that takes exactly `group` samples at a time, run over `count` of them: whole groups, the last one filled up by repeating its
 * last sample, whose answers are dropped. Every input leads with the samples.
 */
export async function inGroups(
  run: (inputs: readonly BatchInput[]) => Promise<Rows>,
  inputs: readonly BatchInput[],
  count: number,
  group: number,
): Promise<Rows> {
  let out: Float32Array | undefined
  let shape: readonly number[] = []
  for (let start = 0; start < count; start += group) {
    const part = await run(inputs.map((input) => groupOf(input, count, start, group)))
    const width = part.rows.length / group
    out ??= new Float32Array(count * width)
    out.set(part.rows.subarray(0, Math.min(group, count - start) * width), start * width)
    shape = part.shape
  }
  return { rows: out ?? new Float32Array(), shape }
}

function groupOf({ name, shape, values }: BatchInput, count: number, start: number, group: number): BatchInput {
  const size = values.length / count
  const dims = [group, ...shape.slice(1)]
  if (start + group <= count) return { name, shape: dims, values: values.subarray(start * size, (start + group) * size) }
  const filled = new Float32Array(group * size)
  for (let i = 0; i < group; i++) {
    const at = Math.min(start + i, count - 1)
    filled.set(values.subarray(at * size, (at + 1) * size), i * size)
  }
  return { name, shape: dims, values: filled }
}
