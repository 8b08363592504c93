import fs from 'node:fs'
import path from 'node:path'
import { ModelError } from '../errors.ts'
import { showShape, type Shape } from '../ir/index.ts'
import type { Message } from './schema.ts'

/** Where a model was read from: what external data paths are relative to, and what messages call it. */
export interface Source {
  /** Name in messages. */
  file: string
  /** Folder of external data; undefined for a model given as bytes. */
  folder: string | undefined
}

/** A checked place of a tensor's bytes in a data file. */
export interface Place {
  path: string
  offset: number
  length: number
}

/** `readSync` takes at most 2^31 - 1 bytes at a time; smaller pieces keep copies light. */
const PIECE = 2 ** 24

/** The source of the message's data file, as the model names it. */
export const locationOf = (message: Message<'TensorProto'>): string =>
  message.external_data?.findLast((entry) => entry.key === 'location')?.value ?? ''

/**
 * Finds where a tensor's external bytes are, with a `stat` and no read.
 * `size` is what the tensor needs, in bytes; `what` names the tensor in messages.
 * Errors: ModelError for a path that leaves the model's folder, a missing file, or a range beyond the file.
 */
export function locate(message: Message<'TensorProto'>, source: Source, size: number, what: string): Place {
  const location = locationOf(message)
  const fail = (problem: string, hint?: string): never => {
    throw new ModelError(`${what}: external data '${location}' ${problem}`, {
      where: source.file,
      ...(hint === undefined ? {} : { hint }),
    })
  }
  const given = (key: string): number | undefined => {
    const text = message.external_data?.findLast((entry) => entry.key === key)?.value
    if (text === undefined || text === '') return undefined
    const value = /^\d+$/.test(text) ? Number(text) : NaN
    return Number.isSafeInteger(value) ? value : fail(`has ${key} '${text}', expected a number of bytes`)
  }
  if (location === '' || location.includes('\0')) return fail('names no file')
  if (source.folder === undefined) return fail('cannot be found: the model was given as bytes', 'read the model by its path')
  const file =
    inside(source.folder, location, source.file) ?? fail("lies outside the model's folder", 'put the data file beside the model')
  const stat = fs.statSync(file, { throwIfNoEntry: false })
  if (!stat) return fail('is missing', `expected ${file}; an ONNX model with external data is moved together with its data files`)
  if (!stat.isFile()) return fail('is not a regular file')
  const offset = given('offset') ?? 0
  // A length of 0 means 'not stated', as ONNX Runtime reads it.
  const length = given('length') || size
  if (length !== size) return fail(`holds ${length} bytes for it, its shape needs ${size}`)
  if (offset + length > stat.size) return fail(`ends at byte ${stat.size}, the tensor needs bytes ${offset} to ${offset + length}`)
  return { path: file, offset, length }
}

/**
 * Absolute path of a data file, or undefined when it leaves the folder, links followed. A model that is itself a link (as
 * in a download cache) may also use files beside the link's target.
 */
function inside(folder: string, location: string, model: string): string | undefined {
  if (path.isAbsolute(location) || path.win32.isAbsolute(location)) return undefined
  if (location.split(/[\\/]/).includes('..')) return undefined
  const file = path.join(folder, location)
  const folders = [real(folder), path.dirname(real(path.join(folder, path.basename(model))))]
  const target = real(file)
  return folders.some((f) => target.startsWith(f.endsWith(path.sep) ? f : f + path.sep)) ? file : undefined
}

/** The path with links followed as far as it exists. */
export function real(file: string): string {
  try {
    return fs.realpathSync(file)
  } catch {
    const parent = path.dirname(file)
    return parent === file ? file : path.join(real(parent), path.basename(file))
  }
}

/** The bytes of a place, in memory of their own: the slice, never the whole file. */
export function readPlace(place: Place, what: string): Uint8Array {
  const out = new Uint8Array(place.length)
  let at = 0
  eachPiece(place, what, (piece) => {
    out.set(piece, at)
    at += piece.length
  })
  return out
}

/** Hands over the bytes of a place piece by piece; a piece is valid only during the call. */
export function eachPiece(place: Place, what: string, take: (piece: Uint8Array) => void): void {
  const handle = fs.openSync(place.path, 'r')
  try {
    const buffer = new Uint8Array(Math.min(PIECE, place.length))
    for (let done = 0; done < place.length;) {
      const got = fs.readSync(handle, buffer, 0, Math.min(buffer.length, place.length - done), place.offset + done)
      if (got === 0) throw new ModelError(`${what}: external data ended early`, { where: place.path })
      take(buffer.subarray(0, got))
      done += got
    }
  } finally {
    fs.closeSync(handle)
  }
}

export const showTensor = (dtype: string, dims: Shape): string => `${dtype}${showShape(dims)}`
