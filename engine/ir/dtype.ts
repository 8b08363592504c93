/** Element types by ONNX Runtime's names; the number is `TensorProto.DataType`. */
export const DATA_TYPES = {
  float32: { code: 1, bits: 32 },
  uint8: { code: 2, bits: 8 },
  int8: { code: 3, bits: 8 },
  uint16: { code: 4, bits: 16 },
  int16: { code: 5, bits: 16 },
  int32: { code: 6, bits: 32 },
  int64: { code: 7, bits: 64 },
  string: { code: 8, bits: 0 },
  bool: { code: 9, bits: 8 },
  float16: { code: 10, bits: 16 },
  float64: { code: 11, bits: 64 },
  uint32: { code: 12, bits: 32 },
  uint64: { code: 13, bits: 64 },
  complex64: { code: 14, bits: 64 },
  complex128: { code: 15, bits: 128 },
  bfloat16: { code: 16, bits: 16 },
  float8e4m3fn: { code: 17, bits: 8 },
  float8e4m3fnuz: { code: 18, bits: 8 },
  float8e5m2: { code: 19, bits: 8 },
  float8e5m2fnuz: { code: 20, bits: 8 },
  uint4: { code: 21, bits: 4 },
  int4: { code: 22, bits: 4 },
  float4e2m1: { code: 23, bits: 4 },
  float8e8m0: { code: 24, bits: 8 },
  uint2: { code: 25, bits: 2 },
  int2: { code: 26, bits: 2 },
} as const satisfies Record<string, { code: number; bits: number }>

export type DataType = keyof typeof DATA_TYPES

const byCode = new Map<number, DataType>((Object.keys(DATA_TYPES) as DataType[]).map((name) => [DATA_TYPES[name].code, name]))

/** Name of a `TensorProto.DataType` number, or undefined for numbers that the standard does not define. */
export const dataTypeOf = (code: number): DataType | undefined => byCode.get(code)

/** Bytes of `count` packed elements; sub-byte types share bytes. Strings have no fixed size: 0. */
export const byteLength = (dtype: DataType, count: number): number => Math.ceil((DATA_TYPES[dtype].bits * count) / 8)

export const isFloat = (dtype: DataType): boolean =>
  dtype === 'float32' || dtype === 'float64' || dtype === 'float16' || dtype === 'bfloat16'
