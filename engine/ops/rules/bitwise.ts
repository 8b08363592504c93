import { string } from '../attrs.ts'
import { elementwise, unary } from '../support/elementwise.ts'
import type { OpRule } from '../rule.ts'

const whole = (dtype: 'int32' | 'uint8', shape: readonly number[], values: readonly number[]) => ({ shape, dtype, values })

/** A bitwise function of two integers. Values stay below 2^31, where JavaScript's own operators are exact. */
const bits = (type: string, value: (p: number, q: number) => number): OpRule =>
  elementwise(type, {
    since: 18,
    flops: 1,
    grad: 'zero',
    value: ([p, q], _, dtype) => (dtype === 'int64' || dtype === 'uint64' || dtype === 'uint32' ? NaN : value(p!, q!)),
    examples: [{ x: [whole('int32', [2, 3], [1, 7, -3, 12, 9, 0]), whole('int32', [3], [5, -2, 6])] }],
  })

export const BitwiseAnd = bits('BitwiseAnd', (p, q) => p & q)
export const BitwiseOr = bits('BitwiseOr', (p, q) => p | q)
export const BitwiseXor = bits('BitwiseXor', (p, q) => p ^ q)
export const BitwiseNot = unary('BitwiseNot', {
  since: 18,
  flops: 1,
  grad: 'zero',
  examples: [{ x: [whole('int32', [3], [1, -7, 0])] }],
})

/** Unsigned integers shifted by other ones. */
export const BitShift = elementwise('BitShift', {
  since: 11,
  attrs: { direction: string('LEFT') },
  flops: 1,
  grad: 'zero',
  examples: ['LEFT', 'RIGHT'].map((direction) => ({
    x: [whole('uint8', [2, 2], [16, 4, 1, 255]), whole('uint8', [2], [1, 2])],
    a: { direction },
  })),
})
