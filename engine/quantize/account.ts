import type { Node } from '../ir/index.ts'

/** How one layer with weights fared. */
export interface LayerAccount {
  name: string
  op: string
  precision: string
  /** Signal to quantization noise of the layer's output, dB, all layers before being quantized as well; null where nothing can be said. */
  sqnr: number | null
  /** Signal to quantization noise of the weight alone, dB. */
  weightSqnr?: number
  /** How many numbers its weight has. */
  numbers?: number
  /** Why the layer stayed in float. */
  reason?: string
}

/** The account of a layer: `precision` where it has no reason to stay in float; noise that is absent or infinite says nothing. */
export function accountOf(
  node: Pick<Node, 'name' | 'op' | 'outputs'>,
  precision: string,
  reason: string | undefined,
  sqnr: number | undefined,
  weightSqnr?: number,
  numbers?: number,
): LayerAccount {
  return {
    name: node.name || node.outputs[0]!,
    op: node.op,
    precision: reason === undefined ? precision : 'float32',
    sqnr: sqnr !== undefined && Number.isFinite(sqnr) ? sqnr : null,
    ...(weightSqnr !== undefined && Number.isFinite(weightSqnr) ? { weightSqnr } : {}),
    ...(numbers !== undefined ? { numbers } : {}),
    ...(reason !== undefined ? { reason } : {}),
  }
}
