import { concat, type Tensor } from '../ops/index.ts'

/** Below this many products, joining their factors saves nothing worth having. */
const FEW = 3

/** A' B of two matrices, without the transpose. */
interface Product {
  readonly a: Tensor
  readonly b: Tensor
}

/**
 * The sum of the gradients that reached one tensor. A weight that is used again and again, as in an unrolled recurrence, gets a product A' B
 * from each use; their sum is one product of the factors joined along the rows, which is much less work for the small factors of one time
 * step.
 */
export function total(parts: readonly Tensor[]): Tensor {
  const products: Product[] = []
  const others: Tensor[] = []
  for (const part of parts) {
    const product = productOf(part)
    if (product) products.push(product)
    else others.push(part)
  }
  if (products.length < FEW || !worthJoining(products)) return add(parts)
  const joined = concat(
    products.map((p) => p.a),
    0,
  ).gemm(
    concat(
      products.map((p) => p.b),
      0,
    ),
    { transA: true },
  )
  return add([...others, joined])
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
