/** The operator rules. Generated from the files of this folder by `npm run gen`; do not edit. */
import { Conv, ConvGradInput, ConvGradWeight, ConvTranspose } from './rules/conv.ts'
import { Dropout } from './rules/dropout.ts'
import { MatMul, Gemm } from './rules/linear.ts'
import { BatchNormalization, BatchNorm, BatchNormGrad } from './rules/norm.ts'
import { MaxPool, MaxPoolGrad, MaxPoolSelect, AveragePool, GlobalAveragePool, GlobalMaxPool } from './rules/pool.ts'
import { Softmax, LogSoftmax, Hardmax } from './rules/softmax.ts'
import type { OpRule } from './rule.ts'

export const ops: readonly OpRule[] = [
  Conv,
  ConvGradInput,
  ConvGradWeight,
  ConvTranspose,
  Dropout,
  MatMul,
  Gemm,
  BatchNormalization,
  BatchNorm,
  BatchNormGrad,
  MaxPool,
  MaxPoolGrad,
  MaxPoolSelect,
  AveragePool,
  GlobalAveragePool,
  GlobalMaxPool,
  Softmax,
  LogSoftmax,
  Hardmax,
]
