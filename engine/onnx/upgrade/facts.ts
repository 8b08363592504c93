import { getInt, getInts, isConcrete, type DataType, type Graph, type Node, type Shape, type TensorData } from '../../ir/index.ts'

/** What is known of a value without running the model. */
export interface Fact {
  rank?: number
  dtype?: DataType
  /** Only where every dimension is known. */
  shape?: readonly number[]
}

export type Facts = Map<string, Fact>

/** Operators whose outputs have the rank and the element type of their first input. */
const LIKE_FIRST = new Set(
  (
    'Abs Acos Asin Atan AveragePool BatchNormalization Ceil Celu Clip Conv ConvTranspose Cos Crop CumSum DepthToSpace Dropout Elu ' +
    'Erf Exp Floor GlobalAveragePool GlobalMaxPool GlobalLpPool Hardmax HardSigmoid HardSwish Identity ImageScaler Affine ' +
    'InstanceNormalization LRN LeakyRelu Log LogSoftmax LpNormalization LpPool MaxPool MeanVarianceNormalization Mish Neg ' +
    'PRelu Pad ParametricSoftplus Reciprocal Relu Round ScaledTanh Selu Sigmoid Sign Sin Sinh Slice Softmax Softplus Softsign ' +
    'SpaceToDepth Split Sqrt Tan Tanh ThresholdedRelu Tile Transpose Upsample Resize Concat Scatter ScatterElements'
  ).split(' '),
)
/** Operators whose output has the largest rank among their inputs. */
const BROADCAST = new Set('Add Sub Mul Div Pow Mod Max Min Mean Sum MatMul And Or Xor Equal Greater Less'.split(' '))
const BOOLEAN = new Set('And Or Xor Equal Greater Less Not'.split(' '))

/**
 * Ranks and element types of the values of a graph: declared ones first, then what follows through operators that keep
 * them. Deliberately small: rules that need more say that they cannot upgrade.
 */
export function factsOf(graph: Graph, outer: Facts): Facts {
  const facts: Facts = new Map(outer)
  for (const value of [...graph.values.values(), ...graph.outputs, ...graph.inputs])
    if (value.type?.kind === 'tensor') facts.set(value.name, factOf(value.type.dtype, value.type.shape))
  for (const [name, tensor] of graph.initializers) facts.set(name, factOf(tensor.dtype, tensor.dims))
  for (const node of graph.nodes) {
    const derived = derive(node, facts, graph.initializers)
    for (const out of node.outputs) if (out) facts.set(out, { ...derived, ...facts.get(out) })
  }
  return facts
}

function factOf(dtype: DataType, shape: Shape | undefined): Fact {
  if (!shape) return { dtype }
  return isConcrete(shape) ? { dtype, rank: shape.length, shape } : { dtype, rank: shape.length }
}

function derive(node: Node, facts: Facts, constants: Map<string, TensorData>): Fact {
  if (node.domain !== '') return {}
  const first = facts.get(node.inputs[0] ?? '') ?? {}
  const { dtype } = first
  const typed = (rank: number | undefined): Fact => ({
    ...(rank === undefined ? {} : { rank }),
    ...(BOOLEAN.has(node.op) ? { dtype: 'bool' as const } : dtype ? { dtype } : {}),
  })
  if (LIKE_FIRST.has(node.op)) return typed(first.rank)
  if (BROADCAST.has(node.op)) {
    const ranks = node.inputs.map((name) => facts.get(name)?.rank)
    return typed(ranks.every((r) => r !== undefined) ? Math.max(...ranks) : undefined)
  }
  switch (node.op) {
    case 'Constant': {
      const value = node.attrs.get('value')
      return value?.type === 'tensor' ? factOf(value.value.dtype, value.value.dims) : {}
    }
    case 'Gemm':
    case 'Flatten':
      return typed(2)
    case 'Unsqueeze':
      return typed(add(first.rank, getInts(node, 'axes')?.length))
    case 'Squeeze':
      return typed(add(first.rank, negate(getInts(node, 'axes')?.length)))
    case 'Reshape': {
      const target = constants.get(node.inputs[1] ?? '')?.size ?? facts.get(node.inputs[1] ?? '')?.shape?.[0]
      return typed(target ?? getInts(node, 'shape')?.length)
    }
    default:
      if (node.op.startsWith('Reduce') && getInt(node, 'keepdims', 1) === 1) return typed(first.rank)
      return {}
  }
}

const add = (a: number | undefined, b: number | undefined) => (a === undefined || b === undefined ? undefined : a + b)
const negate = (a: number | undefined) => (a === undefined ? undefined : -a)
