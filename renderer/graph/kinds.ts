/** What a box is coloured by: the kind of its operator, a block, or how much noise its numbers carry. */
export type Kind = 'product' | 'norm' | 'activation' | 'shape' | 'block' | 'other' | Heat
/** From much noise to none, and a layer that stayed in floats. */
export type Heat = 'heat-0' | 'heat-1' | 'heat-2' | 'heat-3' | 'float'

const KINDS: [Kind, RegExp][] = [
  ['product', /Conv|Gemm|MatMul|LSTM|GRU|RNN|Attention|Einsum/],
  ['norm', /Norm|LRN/],
  ['activation', /Relu|Sigmoid|Tanh|Softmax|Gelu|Erf|Clip|Elu|Silu|Swish/],
  ['shape', /Shape|Reshape|Transpose|Concat|Split|Slice|Gather|Squeeze|Unsqueeze|Flatten|Cast|Constant|Identity|Expand|Pad|Range/],
]

export const kindOf = (op: string): Kind => KINDS.find(([, pattern]) => pattern.test(op))?.[0] ?? 'other'
