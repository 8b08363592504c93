import { getInts, intAttr, TensorData } from '../../ir/index.ts'
import { setInputs, type Rule, type Rules } from './context.ts'

/** Operators whose axes, sizes or counts moved from attributes to inputs. */

const axesToInput: Rule = (node, c) => {
  const axes = c.intsToInput(node, 'axes')
  setInputs(node, [node.inputs[0], axes])
  return undefined
}

/** Split-1 took its sizes as an optional input, Split-2 as an attribute, Split-13 as an input again. */
const splitInputToAttribute: Rule = (node, c) => {
  if (!node.inputs[1]) return undefined
  const sizes = c.constantOf(node.inputs[1])
  if (!sizes) return 'its sizes are computed by the graph, which Split-2 to Split-12 cannot do'
  node.attrs.set('split', { type: 'ints', value: [...sizes.numbers()] })
  setInputs(node, [node.inputs[0]])
  return undefined
}

const splitToInput: Rule = (node, c) => {
  setInputs(node, [node.inputs[0], c.intsToInput(node, 'split')])
  return undefined
}

/** Equal parts must be counted from 18 on; before, the outputs said it. */
const splitCount: Rule = (node) => {
  if (!node.inputs[1]) node.attrs.set('num_outputs', intAttr(node.outputs.length))
  return undefined
}

const sliceToInputs: Rule = (node, c) => {
  const starts = c.intsToInput(node, 'starts')
  const ends = c.intsToInput(node, 'ends')
  if (!starts || !ends) return 'it has no starts or ends'
  setInputs(node, [node.inputs[0], starts, ends, c.intsToInput(node, 'axes')])
  return undefined
}

const topKToInput: Rule = (node, c) => {
  const k = c.attributeToInput(node, 'k', (a) => (a.type === 'int' ? TensorData.int64([Number(a.value)]) : undefined))
  if (!k) return 'it has no k, or takes it from a function attribute'
  setInputs(node, [node.inputs[0], k])
  return undefined
}

/** DFT-17 had an attribute with default 1; DFT-20 has an input with default -2. */
const dftAxis: Rule = (node, c) => {
  const axis = node.attrs.get('axis')
  if (axis?.type === 'ref') return 'its axis is a function attribute'
  node.attrs.delete('axis')
  const value = c.constant('axis', TensorData.from('int64', [], [axis?.type === 'int' ? Number(axis.value) : 1]))
  setInputs(node, [node.inputs[0], node.inputs[1], value])
  return undefined
}

const concatAxis: Rule = (node) => {
  if (!node.attrs.has('axis')) node.attrs.set('axis', intAttr(1))
  return undefined
}

/** Tile-1 repeated one axis: (x, tiles, axis). */
const tileRepeats: Rule = (node, c) => {
  if (node.inputs.length < 3) return undefined
  const tiles = c.constantOf(node.inputs[1]!)
  const axis = c.constantOf(node.inputs[2]!)
  const rank = c.rank(node.inputs[0]!)
  if (!tiles || !axis || rank === undefined) return 'its tiles, axis or the rank of its input are not known before the run'
  const repeats = new Array<number>(rank).fill(1)
  repeats[axis.numbers()[0]!] = tiles.numbers()[0]!
  setInputs(node, [node.inputs[0], c.ints('repeats', repeats)])
  return undefined
}

const reshapeToInput: Rule = (node, c) => {
  if (node.inputs.length > 1) return undefined
  const shape = getInts(node, 'shape') ? c.intsToInput(node, 'shape') : undefined
  if (!shape) return 'it has no shape'
  setInputs(node, [node.inputs[0], shape])
  return undefined
}

const REDUCTIONS = 'ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSumSquare'.split(
  ' ',
)

export const axesRules: Rules = {
  2: { Split: splitInputToAttribute },
  4: { Concat: concatAxis },
  5: { Reshape: reshapeToInput },
  6: { Tile: tileRepeats },
  10: { Slice: sliceToInputs, TopK: topKToInput },
  13: { Squeeze: axesToInput, Unsqueeze: axesToInput, ReduceSum: axesToInput, Split: splitToInput },
  18: { ...Object.fromEntries(REDUCTIONS.map((op) => [op, axesToInput])), Split: splitCount },
  20: { DFT: dftAxis },
}
