import { dataTypeOf, getInt, type Node } from '../../ir/index.ts'
import { unroundedCodes, valuesOfCodes, type Tensor } from '../../ops/index.ts'

/**
 * What to inline for QuantizeLinear and DequantizeLinear so that differences can be taken: a clip, with codes as real numbers. Other nodes stay
 * as they are (undefined). The returned function is for one graph.
 */
export function withoutRounding(): (node: Node, x: readonly (Tensor | undefined)[]) => Tensor[] | undefined {
  return (node, [x, scale, zero]) => {
    if (!x || !scale || (node.op !== 'QuantizeLinear' && node.op !== 'DequantizeLinear')) return undefined
    const of = { scale, zero, axis: getInt(node, 'axis', 1), block: getInt(node, 'block_size', 0) }
    if (node.op === 'DequantizeLinear') return [valuesOfCodes(x, of)]
    const to = zero?.dtype ?? dataTypeOf(getInt(node, 'output_dtype', 0)) ?? 'uint8'
    return [unroundedCodes(x, to, of)]
  }
}
