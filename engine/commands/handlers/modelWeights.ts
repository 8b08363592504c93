import { basename } from 'node:path'
import { OptionError } from '../../errors.ts'
import { constantsOf } from '../../inspect/index.ts'
import { readModel } from '../../onnx/index.ts'
import { handler } from './handler.ts'

/** Two passes, so that the deviation of large, far-off values does not cancel. */
export function describeValues(values: ArrayLike<number>, bins: number) {
  let [min, max, sum, finite, zeros] = [Infinity, -Infinity, 0, 0, 0]
  for (let i = 0; i < values.length; i++) {
    const v = values[i]!
    if (!Number.isFinite(v)) continue
    finite++
    sum += v
    if (v === 0) zeros++
    if (v < min) min = v
    if (v > max) max = v
  }
  const count = values.length
  const none = { count, notFinite: count, zeros: 0, min: null, max: null, mean: null, deviation: null, histogram: [] }
  if (finite === 0) return none
  const mean = sum / finite
  const histogram = new Array<number>(bins).fill(0)
  let squares = 0
  for (let i = 0; i < values.length; i++) {
    const v = values[i]!
    if (!Number.isFinite(v)) continue
    squares += (v - mean) ** 2
    const bin = max > min ? Math.min(bins - 1, Math.floor(((v - min) / (max - min)) * bins)) : 0
    histogram[bin]!++
  }
  return { count, notFinite: count - finite, zeros, min, max, mean, deviation: Math.sqrt(squares / finite), histogram }
}

export default handler<'model.weights'>(async ({ model: path, tensor, bins }) => {
  const { graph } = await readModel(path, { name: basename(path) })
  const data = constantsOf(graph).get(tensor)
  if (!data)
    throw new OptionError(`the model has no constant '${tensor}'`, {
      where: 'tensor',
      hint: '`stillroom model graph` lists them at their nodes',
    })
  if (data.dtype === 'string')
    throw new OptionError(`'${tensor}' holds texts, which have no distribution`, {
      where: 'tensor',
      hint: 'choose another constant',
    })
  return { name: tensor, dtype: data.dtype, shape: [...data.dims], ...describeValues(data.numbers(), bins) }
})
