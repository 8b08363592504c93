import fs from 'node:fs'
import path from 'node:path'
import { ModelError, OptionError } from '../errors.ts'
import { byteLength, DATA_TYPES, type Model, type TensorData } from '../ir/index.ts'
import { encodeMessage } from './encode.ts'
import { eachPiece, locate, real, type Place } from './external.ts'
import type { Message } from './schema.ts'
import { isExternal, originOf } from './tensor.ts'
import { modelMessage, type Placement } from './toMessage.ts'

export interface WriteOptions {
  /**
   * Where weights go. 'keep' (default): external data stays external; beside its own data files it goes on using them,
   * elsewhere it is copied to `<name>.onnx.data`. 'none': all in the model. Or a data file in the model's folder, for
   * initializers of at least `threshold` bytes (default 1024).
   */
  external?: 'keep' | 'none' | { file: string; threshold?: number }
}

/** Brings external data into the message. */
const inline: Placement = (tensor, message) => {
  if (!isExternal(message)) return message
  const { external_data: _place, data_location: _where, ...rest } = message
  return { ...rest, raw_data: tensor.bytes }
}

/**
 * Bytes of a model, its external data included; equal models give equal bytes.
 * Errors: ModelError beyond 2 GiB, or when external data cannot be read.
 */
export const encodeModel = (model: Model): Uint8Array => encodeMessage('ModelProto', modelMessage(model, inline))

/**
 * Writes a model, whole or not at all (a temporary file, then a rename). Gives the files written, the model first.
 * Errors: ModelError beyond 2 GiB or when external data cannot be read; OptionError for a data file outside the folder.
 */
export async function writeModel(model: Model, file: string, options: WriteOptions = {}): Promise<string[]> {
  const external = options.external ?? 'keep'
  const folder = path.dirname(path.resolve(file))
  const [dataFile, placement] = chooseData(model, folder, path.basename(file), external)
  const data = dataFile === undefined ? undefined : new DataFile(dataFile)
  const bytes = encodeMessage('ModelProto', modelMessage(model, data ? data.placement(placement) : placement.inner))
  const written: [temporary: string, final: string][] = [[temporaryName(file), file]]
  if (data && data.tensors.length > 0) written.push([temporaryName(data.path), data.path])
  try {
    writeFile(written[0]![0], (handle) => writeAll(handle, bytes))
    if (written[1]) writeFile(written[1][0], (handle) => data!.write(handle))
    // The data first: a model must never be seen without it.
    for (const [temporary, final] of written.toReversed()) fs.renameSync(temporary, final)
  } finally {
    for (const [temporary] of written) fs.rmSync(temporary, { force: true })
  }
  return written.map(([, final]) => final)
}

interface Choice {
  /** What goes to the data file. */
  takes: (tensor: TensorData, message: Message<'TensorProto'>, use: 'initializer' | 'attribute') => boolean
  /** What happens to the rest. */
  inner: Placement
}

function chooseData(
  model: Model,
  folder: string,
  name: string,
  external: NonNullable<WriteOptions['external']>,
): [string | undefined, Choice] {
  const untouched: Placement = (_, message) => message
  if (external === 'none') return [undefined, { takes: () => false, inner: inline }]
  if (external === 'keep') {
    const here = allExternalIn(model, folder)
    if (here) return [undefined, { takes: () => false, inner: untouched }]
    return [path.join(folder, `${name}.data`), { takes: (_, message) => isExternal(message), inner: untouched }]
  }
  const { file, threshold = 1024 } = external
  if (file === '' || path.basename(file) !== file || file === name || file === '..' || file === '.')
    throw new OptionError(`'${file}' is not a file name of its own`, {
      where: 'external.file',
      hint: 'give a name without folders',
    })
  return [
    path.join(folder, file),
    {
      takes: (tensor, message, use) =>
        tensor.strings === undefined &&
        (use === 'initializer' || isExternal(message)) &&
        byteLength(tensor.dtype, tensor.size) >= threshold,
      inner: inline,
    },
  ]
}

/** Whether every external tensor lives in this folder already. */
function allExternalIn(model: Model, folder: string): boolean {
  let here = true
  const target = real(folder)
  modelMessage(model, (tensor, message) => {
    const home = originOf(tensor)?.source.folder
    if (isExternal(message) && (home === undefined || real(home) !== target)) here = false
    return message
  })
  return here
}

const temporaryName = (file: string) => `${file}.${process.pid}-${Math.random().toString(36).slice(2, 8)}.tmp`

/** Tensors laid one after another; large ones start on pages, so that they can be mapped. */
class DataFile {
  readonly path: string
  readonly tensors: { tensor: TensorData; offset: number; length: number; from: Place | undefined; what: string }[] = []
  #end = 0

  constructor(file: string) {
    this.path = file
  }

  placement(choice: Choice): Placement {
    return (tensor, message, use) =>
      choice.takes(tensor, message, use) ? this.#add(tensor, message) : choice.inner(tensor, message, use)
  }

  #add(tensor: TensorData, message: Message<'TensorProto'>): Message<'TensorProto'> {
    const length = byteLength(tensor.dtype, tensor.size)
    const what = `tensor '${message.name ?? ''}'`
    const problem = tensor.problem()
    if (problem !== undefined) throw new ModelError(`${what}: ${problem}`)
    const page = length >= 65536 ? 4096 : 64
    const offset = Math.ceil(this.#end / page) * page
    this.#end = offset + length
    const source = originOf(tensor)?.source
    const from = isExternal(message) && source ? locate(message, source, length, what) : undefined
    // Its own file is about to be replaced: what is still unread would be lost to whoever holds the model.
    if (from && real(from.path) === real(this.path)) void tensor.bytes
    this.tensors.push({ tensor, offset, length, from, what })
    const { raw_data: _raw, external_data: entries = [], ...rest } = message
    for (const field of ['float_data', 'double_data', 'int32_data', 'int64_data', 'uint64_data'] as const) delete rest[field]
    return {
      ...rest,
      dims: [...tensor.dims],
      data_type: DATA_TYPES[tensor.dtype].code,
      external_data: [
        { key: 'location', value: path.basename(this.path) },
        { key: 'offset', value: String(offset) },
        { key: 'length', value: String(length) },
        ...entries.filter((e) => !['location', 'offset', 'length'].includes(e.key ?? '')),
      ],
      data_location: 1,
    }
  }

  write(handle: number): void {
    let at = 0
    for (const { tensor, offset, length, from, what } of this.tensors) {
      writeAll(handle, new Uint8Array(offset - at))
      if (from) eachPiece(from, what, (piece) => writeAll(handle, piece))
      else writeAll(handle, tensor.bytes)
      at = offset + length
    }
  }
}

function writeFile(file: string, fill: (handle: number) => void): void {
  const handle = fs.openSync(file, 'wx')
  try {
    fill(handle)
    fs.fsyncSync(handle)
  } finally {
    fs.closeSync(handle)
  }
}

function writeAll(handle: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += fs.writeSync(handle, bytes, at, Math.min(bytes.length - at, 2 ** 30))
}
