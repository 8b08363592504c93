import { getFloat, getString, makeNode, stringAttr, TensorData } from '../../ir/index.ts'
import { setInputs, type Rule, type Rules } from './context.ts'

/** Upsample-1 scaled height and width by two attributes. */
const upsampleScales: Rule = (node) => {
  if (node.attrs.has('scales')) return undefined
  const scales = [1, 1, getFloat(node, 'height_scale', 1), getFloat(node, 'width_scale', 1)]
  node.attrs.delete('height_scale')
  node.attrs.delete('width_scale')
  node.attrs.set('scales', { type: 'floats', value: scales })
  return undefined
}

const upsampleToInput: Rule = (node, c) => {
  const scales = c.attributeToInput(node, 'scales', (a) =>
    a.type === 'floats' ? TensorData.from('float32', [a.value.length], a.value) : undefined,
  )
  if (!scales) return 'it has no scales'
  setInputs(node, [node.inputs[0], scales])
  return undefined
}

const upsampleToResize: Rule = (node) => [{ ...node, op: 'Resize' }]

/**
 * Resize-10 mapped coordinates by division alone, and rounded down where it enlarges; ONNX Runtime rounds up where it
 * shrinks.
 */
const resize11: Rule = (node, c) => {
  const mode = getString(node, 'mode', 'nearest')
  const scales = c.constantOf(node.inputs[1] ?? '')?.numbers()
  if (mode === 'nearest') {
    const shrinks = scales?.some((s) => s < 1) ?? false
    const grows = scales?.some((s) => s > 1) ?? true
    if (shrinks && grows) return 'it enlarges some axes and shrinks others with nearest rounding'
    node.attrs.set('nearest_mode', stringAttr(shrinks ? 'ceil' : 'floor'))
  }
  node.attrs.set('coordinate_transformation_mode', stringAttr('asymmetric'))
  const roi = c.constant('roi', TensorData.from('float32', [0], []))
  setInputs(node, [node.inputs[0], roi, node.inputs[1]])
  return undefined
}

/** Resize-11 wanted an empty scales tensor beside sizes; from 13 on it is left out. */
const resize13: Rule = (node) => {
  if (getString(node, 'coordinate_transformation_mode', '') === 'tf_half_pixel_for_nn')
    return 'its coordinates (tf_half_pixel_for_nn) left the standard with opset 13'
  if (node.inputs[3]) setInputs(node, [node.inputs[0], node.inputs[1], '', node.inputs[3]])
  return undefined
}

/** RoiAlign-10 took corners as they were, without half a pixel off. */
const roiAlign: Rule = (node) => {
  node.attrs.set('coordinate_transformation_mode', stringAttr('output_half_pixel'))
  return undefined
}

const gridSampleModes: Rule = (node) => {
  const mode = getString(node, 'mode', 'bilinear')
  if (mode === 'bilinear') node.attrs.set('mode', stringAttr('linear'))
  if (mode === 'bicubic') node.attrs.set('mode', stringAttr('cubic'))
  return undefined
}

/** Crop: `border` (left, top, right, bottom), or the offset `border` with the size `scale` (height, width). */
const crop: Rule = (node, c) => {
  const border = node.attrs.get('border')
  const scale = node.attrs.get('scale')
  if (border?.type !== 'ints' || border.value.length !== 4) return 'it has no border'
  const [left, top, right, bottom] = border.value.map(Number) as [number, number, number, number]
  const size = scale?.type === 'ints' && scale.value.length === 2 ? scale.value.map(Number) : undefined
  const far = (edge: number) => (edge === 0 ? Number.MAX_SAFE_INTEGER : -edge)
  const ends = size ? [top + size[0]!, left + size[1]!] : [far(bottom), far(right)]
  const inputs = [node.inputs[0]!, c.ints('starts', [top, left]), c.ints('ends', ends), c.ints('axes', [2, 3])]
  return [{ ...makeNode('Slice', inputs, node.outputs), name: node.name }]
}

export const resizeRules: Rules = {
  7: { Upsample: upsampleScales },
  9: { Upsample: upsampleToInput },
  10: { Upsample: upsampleToResize, Crop: crop },
  11: { Resize: resize11 },
  13: { Resize: resize13 },
  16: { RoiAlign: roiAlign },
  20: { GridSample: gridSampleModes },
}
