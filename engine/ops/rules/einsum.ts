import { sizeOf } from '../../ir/index.ts'
import { string } from '../attrs.ts'
import { defineOp, type Tie } from '../rule.ts'
import type { Tensor } from '../tensor.ts'
import { fault } from '../support/axes.ts'

/** An equation with its ellipses written out: one letter an axis, of each operand and of the output, and the size of each letter. */
interface Equation {
  readonly terms: readonly string[]
  readonly output: string
  readonly sizes: ReadonlyMap<string, number>
}

const LETTERS = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ']

/** Reads an equation for operands of these shapes. Spec: onnx Einsum-12. Errors: through `fail`. */
function parse(equation: string, shapes: readonly (readonly number[])[], fail: (message: string) => never): Equation {
  const [left = '', right] = equation.replaceAll(/\s/g, '').split('->')
  const parts = left.split(',')
  if (parts.length !== shapes.length) fail(`the equation '${equation}' has ${parts.length} terms for ${shapes.length} operands`)
  const free = LETTERS.filter((c) => !equation.includes(c))
  // Ellipses are aligned at their ends, so the last of the free letters is the last axis of each.
  const widths = parts.map((term, i) => (term.includes('...') ? shapes[i]!.length - term.length + 3 : 0))
  const widest = Math.max(0, ...widths)
  if (widths.some((n) => n < 0) || widest > free.length) fail(`the equation '${equation}' does not fit the operands`)
  const dots = free.slice(0, widest).join('')
  const terms = parts.map((term, i) => term.replace('...', dots.slice(widest - widths[i]!)))
  const sizes = new Map<string, number>()
  terms.forEach((term, i) => {
    if (term.length !== shapes[i]!.length) fail(`term ${i} of '${equation}' names ${term.length} axes of ${shapes[i]!.length}`)
    ;[...term].forEach((c, k) => {
      const [known, d] = [sizes.get(c) ?? 1, shapes[i]![k]!]
      if (!LETTERS.includes(c) || (known !== 1 && d !== 1 && known !== d)) fail(`'${c}' of '${equation}' is ${known} and ${d}`)
      sizes.set(c, Math.max(known, d))
    })
  })
  const once = LETTERS.filter((c) => !dots.includes(c) && terms.join('').split(c).length === 2)
  const output = right === undefined ? dots + once.join('') : right.replace('...', dots)
  const unknown = [...output].find((c) => !sizes.has(c))
  if (unknown) fail(`'${unknown}' of the output is in no term of '${equation}'`)
  return { terms, output, sizes }
}

const unique = (term: string): string[] => [...new Set(term)]

/**
 * Gradient of one operand: the sum over what is not in it of dy times the others. Letters of only this operand were summed out, so the gradient
 * is constant along them; a letter that it has twice took the diagonal.
 */
function operandGrad({ terms, output, sizes }: Equation, x: readonly Tensor[], dy: Tensor, i: number): Tensor {
  const target = x[i]!
  const own = unique(terms[i]!)
  // An axis of size 1 that was stretched: its letter is summed like those that the operand does not have.
  const stretched = (c: string) => target.shape[terms[i]!.indexOf(c)] !== sizes.get(c)
  const factors = [{ t: dy, term: output }, ...x.flatMap((t, j) => (j === i ? [] : [{ t, term: terms[j]! }]))].map(
    ({ t, term }) => {
      const kept = [...term].flatMap((c, k) => (t.shape[k] === sizes.get(c) ? [k] : []))
      const narrow = kept.length === term.length ? t : t.reshape(kept.map((k) => t.shape[k]!))
      return { t: narrow, term: kept.map((k) => term[k]).join('') }
    },
  )
  const present = own.filter((c) => !stretched(c) && factors.some(({ term }) => term.includes(c))).join('')
  const matrices = factors.filter(({ term }) => term !== '')
  const equation = `${matrices.map(({ term }) => term).join(',')}->${present}`
  let d: Tensor | undefined
  if (matrices.length === 1 && matrices[0]!.term === present) d = matrices[0]!.t
  else if (matrices.length > 0)
    d = dy.b.emit(
      'Einsum',
      matrices.map(({ t }) => t),
      { equation },
    )[0]!
  for (const { t, term } of factors) if (term === '') d = d ? d.mul(t) : t
  const place = (c: string, k: number) => (terms[i]!.indexOf(c) === k && present.includes(c) ? sizes.get(c)! : 1)
  // Axes stand in the order of their first place in the operand, which is that of `own`.
  let wide = d!.reshape([...terms[i]!].map(place)).expand(target.shape)
  ;[...terms[i]!].forEach((c, k) => {
    const first = terms[i]!.indexOf(c)
    if (first !== k) wide = wide.mul(diagonal(wide, first, k))
  })
  return wide
}

/** One where the coordinates of two axes are equal, broadcast to the tensor. */
function diagonal(like: Tensor, p: number, q: number): Tensor {
  const n = like.shape[p]!
  const eye = like.b.zeros([n, n], like.dtype).emit('EyeLike')
  return eye.reshape(like.shape.map((_, k) => (k === p || k === q ? n : 1)))
}

/** Products of operands summed over the axes that the output does not name. Spec: onnx Einsum-12. */
export const Einsum = defineOp({
  type: 'Einsum',
  since: 12,
  attrs: { equation: string('') },
  infer({ x, a, fail }) {
    const { output, sizes } = parse(
      a.equation,
      x.map((t) => t.shape),
      fail,
    )
    return [{ dtype: x[0].dtype, shape: [...output].map((c) => sizes.get(c)!) }]
  },
  grad({ x, dy: [dy], a, need }) {
    const equation = parse(
      a.equation,
      x.map((t: Tensor) => t.shape),
      fault,
    )
    return x.map((_: Tensor, i) => (need[i] ? operandGrad(equation, x, dy, i) : null))
  },
  cost({ x, a }) {
    const { sizes } = parse(
      a.equation,
      x.map((t) => t.shape),
      fault,
    )
    return x.length * sizeOf([...sizes.values()])
  },
  channels({ x, a }) {
    const { terms, output } = parse(
      a.equation,
      x.map((t) => t.shape),
      fault,
    )
    const places = [...terms.map((term, k) => [`x${k}`, term] as const), ['y0', output] as const]
    const size = (slot: string, k: number) => (slot === 'y0' ? undefined : x[Number(slot.slice(1))]!.shape[k])
    return unique(terms.join('')).flatMap((c): Tie[] => {
      const at = places.flatMap(([slot, term]) =>
        [...term].flatMap((d, k) => (d === c && size(slot, k) !== 1 ? [[slot, k] as [Tie['a'][0], number]] : [])),
      )
      return at.slice(1).map((b) => ({ a: at[0]!, b }))
    })
  },
  quant: { inputs: [0, 1] },
  examples: [
    {
      x: [
        [2, 3],
        [3, 4],
      ],
      a: { equation: 'ij, jk -> ik' },
    },
    { x: [[2, 3, 4]], a: { equation: 'ijk->ki' } },
    { x: [[3, 3]], a: { equation: 'ii->i' } },
    { x: [[3, 3, 2]], a: { equation: 'iij->j' } },
    {
      x: [
        [2, 3],
        [2, 3],
      ],
      a: { equation: 'ij,ij->' },
    },
    { x: [[3], [4]], a: { equation: 'i,j' } },
    {
      x: [
        [2, 3, 4],
        [5, 4],
      ],
      a: { equation: '...d,ed->...e' },
    },
    {
      x: [
        [2, 2, 3, 2],
        [1, 2, 2, 4],
      ],
      a: { equation: 'b...ij,b...jk->b...ik' },
    },
    {
      x: [
        [2, 3],
        [3, 4],
        [4, 2],
      ],
      a: { equation: 'ab,bc,cd->da' },
    },
    { x: [[2, 3, 4], [3]], a: { equation: 'bij,i->b' } },
  ],
})
