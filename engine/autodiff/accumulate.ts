import { concat, type Tensor } from '../ops/index.ts'

/** Below this many products, joining their factors saves nothing worth having. */
const FEW = 3

/** A' B of two matrices, without the transpose. */
interface Product {
  readonly a: Tensor
  readonly b: Tensor
}

/** A gradient that is zero but for one range of one axis. */
interface Placed {
  readonly part: Tensor
  readonly axis: number
  readonly at: number
}

/**
 * The sum of the gradients that reached one tensor. A weight that is used again and again, as in an unrolled recurrence, gets a product A' B
 * from each use; their sum is one product of the factors joined along the rows, which is much less work for the small factors of one time
 * step. A tensor that is cut into slices gets a padded gradient from each; those that do not overlap are laid side by side.
 */
export function total(parts: readonly Tensor[]): Tensor {
  return add(joinSlices(joinProducts(parts)))
}

function joinProducts(parts: readonly Tensor[]): readonly Tensor[] {
  const products: Product[] = []
  const others: Tensor[] = []
  for (const part of parts) {
    const product = productOf(part)
    if (product) products.push(product)
    else others.push(part)
  }
  if (products.length < FEW || !worthJoining(products)) return parts
  const rows = (side: 'a' | 'b') =>
    concat(
      products.map((p) => p[side]),
      0,
    )
  return [...others, rows('a').gemm(rows('b'), { transA: true })]
}

function joinSlices(parts: readonly Tensor[]): readonly Tensor[] {
  if (parts.length < 2) return parts
  const placed: Placed[] = []
  const others: Tensor[] = []
  for (const t of parts) {
    const found = placedIn(t)
    if (found && (placed.length === 0 || found.axis === placed[0]!.axis)) placed.push(found)
    else others.push(t)
  }
  if (placed.length < 2) return parts
  const [{ axis }] = placed as [Placed]
  const { shape, dtype, b } = parts[0]!
  const side: Tensor[] = []
  let end = 0
  const fill = (to: number) => {
    if (to > end) side.push(b.zeros(shape.with(axis, to - end), dtype))
    end = to
  }
  for (const { part, at } of placed.sort((p, q) => p.at - q.at)) {
    // Slices that overlap are added as they are.
    if (at < end) return parts
    fill(at)
    side.push(part)
    end = at + part.shape[axis]!
  }
  fill(shape[axis]!)
  return [...others, concat(side, axis)]
}

function placedIn(t: Tensor): Placed | undefined {
  const step = t.b.steps[t.step]
  if (step?.node.op !== 'Pad' || step.node.domain !== '' || step.a.mode !== 'constant') return undefined
  const [part, amounts, value, axes] = step.inputs
  const pads = amounts?.value && Array.from(amounts.value.numbers())
  if (!part || !pads || axes || (value && value.scalarValue !== 0) || pads.some((d) => d < 0)) return undefined
  const padded = part.shape.flatMap((_, i) => (pads[i]! + pads[i + part.rank]! > 0 ? [i] : []))
  return padded.length === 1 ? { part, axis: padded[0]!, at: pads[padded[0]!]! } : undefined
}

const add = (list: readonly Tensor[]): Tensor => list.slice(1).reduce((sum, t) => sum.add(t), list[0]!)

function productOf(t: Tensor): Product | undefined {
  const step = t.b.steps[t.step]
  if (t.rank !== 2 || step?.node.domain !== '') return undefined
  const [a, b, c] = step.inputs
  if (!a || !b || a.rank !== 2 || b.rank !== 2) return undefined
  if (step.node.op === 'Gemm') return !c && step.a.transA === 1 && step.a.transB === 0 && step.a.alpha === 1 ? { a, b } : undefined
  const turned = a.b.steps[a.step]
  if (step.node.op !== 'MatMul' || turned?.node.op !== 'Transpose' || turned.node.domain !== '') return undefined
  const source = turned.inputs[0]
  return source && String(turned.a.perm) === '1,0' ? { a: source, b } : undefined
}

/** Copying the factors must cost less than writing and adding the products. */
function worthJoining(products: readonly Product[]): boolean {
  const { a, b } = products[0]!
  const [m, n] = [a.shape[1]!, b.shape[1]!]
  const rows = products.reduce((sum, p) => sum + p.a.shape[0]!, 0)
  return rows * (m + n) < 2 * products.length * m * n
}
