import { dataTypeOf, DATA_TYPES, getFloat, getInt, getInts, getString, intAttr, TensorData, type DataType } from '../../ir/index.ts'
import { setInputs, type Context, type Rule, type Rules } from './context.ts'

/** Clip and Pad took their numbers as attributes, Cast its type as a word, and some operators left the standard. */

const scalar = (c: Context, suffix: string, dtype: DataType, value: number) => c.constant(suffix, TensorData.scalar(dtype, value))

const clipToInputs: Rule = (node, c) => {
  const dtype = c.dtype(node.inputs[0]!)
  const bound = (name: string) =>
    c.attributeToInput(node, name, (a) => (a.type === 'float' ? TensorData.scalar(dtype, a.value) : undefined))
  setInputs(node, [node.inputs[0], bound('min'), bound('max')])
  return undefined
}

const padNames: Rule = (node) => {
  const old = node.attrs.get('paddings')
  if (old) {
    node.attrs.delete('paddings')
    node.attrs.set('pads', old)
  }
  return undefined
}

const padToInputs: Rule = (node, c) => {
  const pads = c.intsToInput(node, 'pads')
  if (!pads) return 'it has no pads'
  const constant = getString(node, 'mode', 'constant') === 'constant'
  const dtype = c.dtype(node.inputs[0]!)
  const value = c.attributeToInput(node, 'value', (a) =>
    a.type === 'float' && constant ? TensorData.scalar(dtype, a.value) : undefined,
  )
  setInputs(node, [node.inputs[0], pads, value])
  return undefined
}

/** Names of `TensorProto.DataType`, as Cast-1 wrote them, where they are not ours in capitals. */
const WORDS: Record<string, DataType> = { FLOAT: 'float32', DOUBLE: 'float64' }

const castType: Rule = (node) => {
  const word = getString(node, 'to', '').toUpperCase()
  if (!word) return node.attrs.get('to')?.type === 'int' ? undefined : 'it names no type'
  const dtype = WORDS[word] ?? (word.toLowerCase() as DataType)
  if (!(dtype in DATA_TYPES)) return `it casts to '${word}', which is no element type`
  node.attrs.set('to', intAttr(DATA_TYPES[dtype].code))
  return undefined
}

/** y = alpha x + beta */
const affine: Rule = (node, c) => {
  const dtype = c.dtype(node.inputs[0]!)
  const [mul, scaled] = c.make('Mul', [node.inputs[0]!, scalar(c, 'alpha', dtype, getFloat(node, 'alpha', 1))])
  return [mul, { ...node, op: 'Add', inputs: [scaled, scalar(c, 'beta', dtype, getFloat(node, 'beta', 0))], attrs: new Map() }]
}

/** y = scale x + bias[channel], images as NCHW. */
const imageScaler: Rule = (node, c) => {
  const bias = node.attrs.get('bias')
  const dtype = c.dtype(node.inputs[0]!)
  const values = bias?.type === 'floats' ? bias.value : [0]
  const [mul, scaled] = c.make('Mul', [node.inputs[0]!, scalar(c, 'scale', dtype, getFloat(node, 'scale', 1))])
  const perChannel = c.constant('bias', TensorData.from(dtype, [1, values.length, 1, 1], values))
  return [mul, { ...node, op: 'Add', inputs: [scaled, perChannel], attrs: new Map() }]
}

/** y = scale x */
const scale: Rule = (node, c) => {
  const factor = scalar(c, 'scale', c.dtype(node.inputs[0]!), getFloat(node, 'scale', 1))
  return [{ ...node, op: 'Mul', inputs: [node.inputs[0]!, factor], attrs: new Map() }]
}

/** y = alpha f(beta x) */
const scaledAround =
  (op: string): Rule =>
  (node, c) => {
    const dtype = c.dtype(node.inputs[0]!)
    const [mul, inner] = c.make('Mul', [node.inputs[0]!, scalar(c, 'beta', dtype, getFloat(node, 'beta', 1))])
    const [apply, value] = c.make(op, [inner])
    return [
      mul,
      apply,
      { ...node, op: 'Mul', inputs: [value, scalar(c, 'alpha', dtype, getFloat(node, 'alpha', 1))], attrs: new Map() },
    ]
  }

/** ConstantFill: `value` of type `dtype` in the shape of the attribute, of the input, or that the input holds. */
const constantFill: Rule = (node, c) => {
  const dtype = dataTypeOf(getInt(node, 'dtype', 1)) ?? 'float32'
  const extra = getInts(node, 'extra_shape') ?? []
  const x = node.inputs[0]
  const nodes = []
  let shape = x && getInt(node, 'input_as_shape', 0) === 1 ? x : undefined
  if (x && shape === undefined) {
    const [of, dims] = c.make('Shape', [x])
    nodes.push(of)
    shape = dims
  }
  shape ??= c.ints('shape', getInts(node, 'shape') ?? [])
  if (x && extra.length > 0) {
    const [concat, longer] = c.make('Concat', [shape, c.ints('extra', extra)], { axis: intAttr(0) })
    nodes.push(concat)
    shape = longer
  }
  const value = TensorData.from(dtype, [1], [getFloat(node, 'value', 0)])
  return [...nodes, { ...node, op: 'ConstantOfShape', inputs: [shape], attrs: new Map([['value', { type: 'tensor', value }]]) }]
}

const scatter: Rule = (node) => [{ ...node, op: 'ScatterElements' }]

/** Pooling exponents were fractions once. */
const wholeP: Rule = (node) => {
  const p = node.attrs.get('p')
  if (p?.type === 'float') {
    if (!Number.isInteger(p.value)) return `its exponent ${p.value} is not whole`
    node.attrs.set('p', intAttr(p.value))
  }
  return undefined
}

const dropOutputSequence: Rule = (node) => {
  node.attrs.delete('output_sequence')
  return undefined
}

export const elementwiseRules: Rules = {
  2: { Pad: padNames, LpPool: wholeP, GlobalLpPool: wholeP },
  6: { Cast: castType },
  7: { LSTM: dropOutputSequence, GRU: dropOutputSequence, RNN: dropOutputSequence },
  9: { ConstantFill: constantFill },
  10: {
    Affine: affine,
    ImageScaler: imageScaler,
    Scale: scale,
    ParametricSoftplus: scaledAround('Softplus'),
    ScaledTanh: scaledAround('Tanh'),
  },
  11: { Clip: clipToInputs, Pad: padToInputs, Scatter: scatter },
}
