/** Nodes of a graph: their features, as they are or with rows that sum to 1. */
import { z } from 'zod'
import type { DataSet, TensorBatch } from '../types.ts'
import type { FrontEnd } from './frontEnd.ts'

export const graphSchema = z.strictObject({
  kind: z.literal('graph'),
  /** `row-sum`: each row over its sum, as usual for bags of words (Kipf and Welling 2017, section 5.2); rows of zeros stay. */
  features: z.enum(['as-is', 'row-sum']),
})

export type GraphPreprocess = z.output<typeof graphSchema>

/** Input x [features] of a node. */
export function graphFront(p: GraphPreprocess, set: DataSet): FrontEnd {
  const { shape } = set.sample
  const width = shape.reduce((n, d) => n * d, 1)
  return {
    inputs: [{ name: 'x', shape }],
    kept: { shape, bytes: false },
    first: (raw) => (raw as TensorBatch).values,
    second(kept) {
      if (p.features === 'as-is') return [kept as Float32Array]
      const out = Float32Array.from(kept)
      for (let start = 0; start < out.length; start += width) {
        const row = out.subarray(start, start + width)
        const sum = row.reduce((a, b) => a + b, 0)
        if (sum > 0) for (let i = 0; i < width; i++) row[i]! /= sum
      }
      return [out]
    },
  }
}

/** Rows that sum to 1 where no feature is negative. */
export async function completeGraph(set: DataSet, train: Int32Array): Promise<GraphPreprocess> {
  const { values } = (await set.read(train)) as TensorBatch
  return { kind: 'graph', features: values.every((v) => v >= 0) ? 'row-sum' : 'as-is' }
}
