import { unary } from '../support/elementwise.ts'

const inside = (lo: number, hi: number) => [{ x: [{ shape: [2, 3], range: [lo, hi] as const }] }]

export const Exp = unary('Exp', { flops: 4, grad: ({ y: [y], dy: [dy] }) => dy.mul(y) })
export const Log = unary('Log', { flops: 4, grad: ({ x: [x], dy: [dy] }) => dy.div(x), examples: inside(0.3, 3) })
export const Sqrt = unary('Sqrt', {
  flops: 1,
  grad: ({ y: [y], dy: [dy] }) => dy.div(y).mul(0.5),
  value: Math.sqrt,
  examples: inside(0.3, 3),
})
export const Reciprocal = unary('Reciprocal', {
  flops: 1,
  grad: ({ y: [y], dy: [dy] }) => dy.mul(y.mul(y)).neg(),
  value: (v) => 1 / v,
  examples: inside(0.5, 3),
})
export const Abs = unary('Abs', {
  flops: 1,
  grad: ({ x: [x], dy: [dy] }) => dy.mul(x.sign()),
  value: Math.abs,
  examples: [{ x: [[2, 3]], away: [0] }],
})
export const Sign = unary('Sign', { flops: 1, grad: 'zero', value: Math.sign })
export const Floor = unary('Floor', { flops: 1, grad: 'zero', value: Math.floor })
export const Ceil = unary('Ceil', { flops: 1, grad: 'zero', value: Math.ceil })
/** Halves go to the even neighbour. */
export const Round = unary('Round', { since: 11, flops: 1, grad: 'zero' })

export const Sin = unary('Sin', { since: 7, flops: 4, grad: ({ x: [x], dy: [dy] }) => dy.mul(x.cos()) })
export const Cos = unary('Cos', { since: 7, flops: 4, grad: ({ x: [x], dy: [dy] }) => dy.mul(x.sin()).neg() })
export const Tan = unary('Tan', {
  since: 7,
  flops: 4,
  grad: ({ y: [y], dy: [dy] }) => dy.mul(y.mul(y).add(1)),
  examples: inside(-1, 1),
})
export const Asin = unary('Asin', {
  since: 7,
  flops: 4,
  grad: ({ x: [x], dy: [dy] }) => dy.div(x.mul(x).rsub(1).sqrt()),
  examples: inside(-0.8, 0.8),
})
export const Acos = unary('Acos', {
  since: 7,
  flops: 4,
  grad: ({ x: [x], dy: [dy] }) => dy.div(x.mul(x).rsub(1).sqrt()).neg(),
  examples: inside(-0.8, 0.8),
})
export const Atan = unary('Atan', { since: 7, flops: 4, grad: ({ x: [x], dy: [dy] }) => dy.div(x.mul(x).add(1)) })
export const Sinh = unary('Sinh', { since: 9, flops: 6, grad: ({ x: [x], dy: [dy] }) => dy.mul(x.emit('Cosh')) })
export const Cosh = unary('Cosh', { since: 9, flops: 6, grad: ({ x: [x], dy: [dy] }) => dy.mul(x.emit('Sinh')) })
export const Asinh = unary('Asinh', { since: 9, flops: 6, grad: ({ x: [x], dy: [dy] }) => dy.div(x.mul(x).add(1).sqrt()) })
export const Acosh = unary('Acosh', {
  since: 9,
  flops: 6,
  grad: ({ x: [x], dy: [dy] }) => dy.div(x.mul(x).sub(1).sqrt()),
  examples: inside(1.3, 3),
})
export const Atanh = unary('Atanh', {
  since: 9,
  flops: 6,
  grad: ({ x: [x], dy: [dy] }) => dy.div(x.mul(x).rsub(1)),
  examples: inside(-0.7, 0.7),
})
export const Tanh = unary('Tanh', { flops: 6, grad: ({ y: [y], dy: [dy] }) => dy.mul(y.mul(y).rsub(1)) })
export const Erf = unary('Erf', {
  flops: 8,
  grad: ({ x: [x], dy: [dy] }) =>
    dy.mul(
      x
        .mul(x)
        .neg()
        .exp()
        .mul(2 / Math.sqrt(Math.PI)),
    ),
})
