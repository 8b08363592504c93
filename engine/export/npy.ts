import { UnsupportedError } from '../errors.ts'
import type { DataType, TensorData } from '../ir/index.ts'

const DESCR: Partial<Record<DataType, string>> = {
  float32: '<f4',
  float64: '<f8',
  float16: '<f2',
  int8: '|i1',
  uint8: '|u1',
  int16: '<i2',
  uint16: '<u2',
  int32: '<i4',
  uint32: '<u4',
  int64: '<i8',
  uint64: '<u8',
  bool: '|b1',
}

/** A tensor as a NumPy file, version 1.0. Errors: UnsupportedError for element types that NumPy does not have. */
export function encodeNpy(tensor: TensorData): Uint8Array {
  const descr = DESCR[tensor.dtype]
  if (!descr) throw new UnsupportedError(`NumPy has no element type for ${tensor.dtype}`)
  const shape = tensor.dims.length === 1 ? `${tensor.dims[0]},` : tensor.dims.join(', ')
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }`
  // The data starts on a multiple of 64 bytes: magic, version and length take 10, a newline ends the header.
  const header = dict.padEnd(Math.ceil((dict.length + 11) / 64) * 64 - 11) + '\n'
  const out = new Uint8Array(10 + header.length + tensor.bytes.length)
  out.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 0xff, header.length >> 8])
  out.set(new TextEncoder().encode(header), 10)
  out.set(tensor.bytes, 10 + header.length)
  return out
}
