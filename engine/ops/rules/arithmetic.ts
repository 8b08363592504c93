import { isFloat } from '../../ir/index.ts'
import { int } from '../attrs.ts'
import type { Tensor } from '../tensor.ts'
import { where } from '../tensor.ts'
import { asIs, elementwise, unary } from '../support/elementwise.ts'
import { isInteger, madeBy, uniform } from '../support/values.ts'

const PAIRS = [
  {
    x: [
      [2, 3],
      [2, 3],
    ],
  },
  {
    x: [
      [2, 3, 4],
      [3, 1],
    ],
  },
  { x: [[3], [2, 1]] },
]

/** y = a + b. */
export const Add = elementwise('Add', {
  since: 14,
  flops: 1,
  grad: [({ dy: [dy] }) => dy],
  value: ([p, q]) => p! + q!,
  simplify: ({ x: [p, q], y: [y] }) => (uniform(q) === 0 ? asIs(p, y!) : undefined) ?? (uniform(p) === 0 ? asIs(q, y!) : undefined),
  examples: PAIRS,
})

/** y = a - b. */
export const Sub = elementwise('Sub', {
  since: 14,
  flops: 1,
  grad: [({ dy: [dy] }) => dy, ({ dy: [dy] }) => dy.neg()],
  value: ([p, q]) => p! - q!,
  simplify: ({ x: [p, q], y: [y] }) =>
    (uniform(q) === 0 ? asIs(p, y!) : undefined) ?? (uniform(p) === 0 && isFloat(y!.dtype) ? asIs(q, y!)?.neg() : undefined),
  examples: PAIRS,
})

/** y = a b. A factor that is known to be 0 gives 0 (gradients that vanish must not stay in the graph). */
export const Mul = elementwise('Mul', {
  since: 14,
  flops: 1,
  grad: [({ x: [, q], dy: [dy] }) => dy.mul(q), ({ x: [p], dy: [dy] }) => dy.mul(p)],
  value: ([p, q]) => p! * q!,
  simplify({ x: [p, q], y: [y], b }) {
    const [u, v] = [uniform(p), uniform(q)]
    if (u === 0 || v === 0) return b.zeros(y!.shape, y!.dtype)
    if (v === 1) return asIs(p, y!)
    if (u === 1) return asIs(q, y!)
    if (v === -1 && isFloat(y!.dtype)) return asIs(p, y!)?.neg()
    return u === -1 && isFloat(y!.dtype) ? asIs(q, y!)?.neg() : undefined
  },
  examples: PAIRS,
})

/** y = a / b;  da = dy / b,  db = -dy y / b. Integers are divided toward zero. */
export const Div = elementwise('Div', {
  since: 14,
  flops: 1,
  grad: [({ x: [, q], dy: [dy] }) => dy.div(q), ({ x: [, q], y: [y], dy: [dy] }) => dy.mul(y).div(q).neg()],
  value: ([p, q], _, dtype) => (isInteger(dtype) ? Math.trunc(p! / q!) : p! / q!),
  simplify: ({ x: [p, q], y: [y], b }) =>
    uniform(q) === 1 ? asIs(p, y!) : uniform(p) === 0 && isFloat(y!.dtype) ? b.zeros(y!.shape, y!.dtype) : undefined,
  examples: [
    [
      [2, 3],
      [2, 3],
    ] as const,
    [
      [2, 3, 4],
      [3, 1],
    ] as const,
  ].map(([p, q]) => ({ x: [p, { shape: q, range: [0.5, 2] }] })),
})

/**
 * Remainder. Integers: sign of the divisor, or of the dividend with fmod; floats need fmod. Its derivative to the divisor is minus the
 * whole quotient, which is constant almost everywhere.
 */
export const Mod = elementwise('Mod', {
  attrs: { fmod: int(0) },
  flops: 1,
  grad: [({ dy: [dy] }) => dy, ({ x: [p, q], y: [y], dy: [dy] }) => dy.mul(y.sub(p).div(q).round())],
  value: ([p, q], { fmod }) => (fmod ? p! % q! : ((p! % q!) + q!) % q!),
  examples: [
    {
      x: [
        { shape: [2, 3], range: [2.1, 2.9] },
        { shape: [3], range: [0.91, 0.99] },
      ],
      a: { fmod: 1 },
    },
    {
      x: [
        { shape: [4], range: [-2.9, -2.1] },
        { shape: [], range: [0.91, 0.99] },
      ],
      a: { fmod: 1 },
    },
  ],
})

/** Exact powers as products: x^0, x^1, x^2, x^-1, x^(1/2). */
function plainPower(p: Tensor, e: number): Tensor | undefined {
  if (e === 0) return p.b.full(p.shape, 1, p.dtype)
  if (e === 1) return p
  if (e === 2) return p.mul(p)
  if (!isFloat(p.dtype)) return undefined
  return e === -1 ? p.reciprocal() : e === 0.5 ? p.sqrt() : undefined
}

/**
 * y = a^e;  da = dy e a^(e - 1),  de = dy y ln a. Where the formula would be 0 times infinity (e = 0) or has no real value (a <= 0, for
 * the exponent) the gradient is 0.
 */
export const Pow = elementwise('Pow', {
  since: 15,
  flops: 10,
  mixed: true,
  grad: [
    ({ x: [p, e0], dy: [dy] }) => {
      const e = e0.like(p)
      const known = uniform(e)
      if (known !== undefined) return dy.mul(p.pow(known - 1).mul(known))
      const none = e.equal(0)
      return dy.mul(e).mul(p.pow(where(none, 1, e).sub(1)))
    },
    ({ x: [p, e], y: [y], dy: [dy] }) => {
      const positive = p.greater(0)
      return dy
        .mul(y)
        .mul(where(positive, where(positive, p, 1).log(), 0))
        .like(e)
    },
  ],
  simplify({ x: [p, e], y: [y] }) {
    const known = uniform(e)
    return known !== undefined && asIs(p, y!) ? plainPower(p, known) : undefined
  },
  examples: [
    { x: [{ shape: [2, 3], range: [0.5, 2] }, [3]] },
    { x: [[2, 3], { shape: [], values: [3] }] },
    { x: [[2, 3], { shape: [], values: [2] }] },
    {
      x: [
        { shape: [4], range: [0.5, 2] },
        { shape: [1], values: [-0.5] },
      ],
    },
  ],
})

/** y = -x. */
export const Neg = unary('Neg', {
  flops: 1,
  grad: ({ dy: [dy] }) => dy.neg(),
  value: (v) => -v,
  simplify: ({ x: [x] }) => madeBy(x, 'Neg')?.inputs[0],
})

/** Sum of any number of inputs. */
export const Sum = elementwise('Sum', {
  flops: 1,
  grad: [({ dy: [dy] }) => dy],
  value: (v) => v.reduce((s, e) => s + e, 0),
  simplify: ({ x }) => (x.length === 1 ? x[0] : undefined),
  examples: [
    { x: [[2, 3], [3], [2, 1]] },
    {
      x: [
        [2, 3],
        [2, 3],
      ],
    },
    { x: [[4]] },
  ],
})

/** Mean of any number of inputs. */
export const Mean = elementwise('Mean', {
  flops: 1,
  grad: [({ x, dy: [dy] }) => dy.mul(1 / x.length)],
  simplify: ({ x }) => (x.length === 1 ? x[0] : undefined),
  examples: [
    { x: [[2, 3], [3], [2, 1]] },
    {
      x: [
        [2, 3],
        [2, 3],
      ],
    },
  ],
})

/** Inputs that tie for the extreme share its gradient evenly. */
const extreme = (type: string, value: (...v: number[]) => number) =>
  elementwise(type, {
    flops: 1,
    // The masks are merged by the builder, so each is computed once.
    grad: [
      ({ x, y: [y], dy: [dy] }, input) => {
        const masks = x.map((t: Tensor) => t.equal(y).like(y))
        return dy.mul(masks[input]!).div(masks.reduce((s, m) => s.add(m)))
      },
    ],
    value: (v) => value(...v),
    simplify: ({ x }) => (x.length === 1 || (x.length === 2 && x[0] === x[1]) ? x[0] : undefined),
    examples: [
      {
        x: [
          { shape: [2, 3], distinct: true },
          { shape: [3], distinct: true },
        ],
      },
      { x: [[2, 3], { shape: [], values: [0] }], away: [0] },
      { x: [[4], [4], [1]] },
    ],
  })

export const Max = extreme('Max', Math.max)
export const Min = extreme('Min', Math.min)
