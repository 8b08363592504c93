import fs from 'node:fs'
import path from 'node:path'
import { ModelError } from '../errors.ts'
import type { Model } from '../ir/index.ts'
import { decodeMessage } from './decode.ts'
import { modelOf } from './fromMessage.ts'

export interface ReadOptions {
  /** Folder that external data paths are relative to; by default the model's own, none for bytes. */
  folder?: string
  /** What messages call the model; by default its path. */
  name?: string
}

/**
 * Reads an ONNX model. Weights stay views of the file, external data stays unread, until they are touched.
 * Errors: ModelError for a file that is missing, larger than 2 GiB, damaged, or not ONNX.
 */
export async function readModel(source: string | Uint8Array, options: ReadOptions = {}): Promise<Model> {
  if (typeof source !== 'string') return decodeModel(source, options)
  return decodeModel(await contentOf(source), fileOptions(source, options))
}

/** `readModel` without waiting. */
export function readModelSync(file: string, options: ReadOptions = {}): Model {
  refuseOdd(file, fs.statSync(file, { throwIfNoEntry: false }))
  return decodeModel(fs.readFileSync(file), fileOptions(file, options))
}

/** `readModel` of bytes. They are not copied: they must not change while the model is in use. */
export function decodeModel(bytes: Uint8Array, options: ReadOptions = {}): Model {
  const file = options.name ?? 'model'
  const other = otherFormat(bytes)
  if (other !== undefined) throw new ModelError(`not an ONNX model: ${other}`, { where: file })
  return modelOf(decodeMessage('ModelProto', bytes, file), { file, folder: options.folder })
}

const fileOptions = (file: string, options: ReadOptions): ReadOptions => ({
  folder: options.folder ?? path.dirname(path.resolve(file)),
  name: options.name ?? file,
})

async function contentOf(file: string): Promise<Uint8Array> {
  refuseOdd(file, fs.statSync(file, { throwIfNoEntry: false }))
  return fs.promises.readFile(file)
}

function refuseOdd(file: string, stat: fs.Stats | undefined): void {
  if (!stat) throw new ModelError('there is no such file', { where: file })
  if (stat.isDirectory()) throw new ModelError('a folder, expected an ONNX file', { where: file })
  if (!stat.isFile()) throw new ModelError('not a regular file', { where: file })
  if (stat.size >= 2 ** 31)
    throw new ModelError(`${(stat.size / 2 ** 30).toFixed(2)} GiB, an ONNX file holds at most 2 GiB`, {
      where: file,
      hint: 'larger models keep their weights in external data files',
    })
}

/** Files that are often taken for ONNX models, by how they begin. */
function otherFormat(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.subarray(0, 64)).toString('latin1')
  if (bytes.length === 0) return 'the file is empty'
  if (head.startsWith('version https://git-lfs')) return 'a Git LFS pointer; fetch the file itself with `git lfs pull`'
  if (head.slice(4, 8) === 'ORTM') return "ONNX Runtime's own format (.ort); use the .onnx file that it was made from"
  if (head.startsWith('PK\x03\x04')) return 'a ZIP archive (PyTorch and Keras files are such); export it to ONNX first'
  if (head.startsWith('\x89HDF')) return 'an HDF5 file; export it to ONNX first'
  if (/^\s*(<!doctype|<html|<\?xml)/i.test(head)) return 'a web page; the download went wrong'
  if (head.slice(4, 8) === 'TFL3') return 'a TensorFlow Lite model; convert it to ONNX first'
  return undefined
}
