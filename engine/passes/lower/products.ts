import type { Tensor } from '../../ops/index.ts'
import { defineLowering, type LoweringContext } from '../lowering.ts'
import { chosenForm, type Question } from '../forms.ts'

/** Products with fewer rows have nothing to gain: their rows stay in the cache anyhow. */
const MANY = 2048
/** Rows of a part: with the columns that the kernel works on at a time they fit into the second level cache of any CPU of the last ten years. */
const PARTS = [1024, 512, 256]

/** A constant factor, as a teacher's, is packed once by the kernel of whole products. */
const onCpu = ({ target, x: [a, b] }: LoweringContext): boolean =>
  target.provider === 'cpu' && a.dtype === 'float32' && !a.value && !b.value
const partsOf = (rows: number): number[] => PARTS.filter((p) => rows % p === 0 && rows > p)

/**
 * x [M, K] by w [K, N] a part of the rows at a time. ONNX Runtime would join the parts again (a batch times one matrix), which it does not for a
 * matrix of more axes than the batch has.
 */
const inParts = (x: Tensor, w: Tensor, part: number): Tensor => {
  const [m, k, n] = [x.shape[0]!, x.shape[1]!, w.shape[1]!]
  return x.reshape([m / part, part, k]).matmul(w.reshape([1, 1, k, n])).reshape([m, n]) // prettier-ignore
}

const rowsQuestion = (m: number, k: number, n: number, transB: boolean): Question => ({
  key: `product ${m}x${k}x${n}${transB ? " b'" : ''}`,
  inputs: [[m, k], transB ? [n, k] : [k, n]],
  forms: {
    whole: (x, w) => (transB ? x.gemm(w, { transB }) : x.matmul(w)),
    ...Object.fromEntries(partsOf(m).map((p) => [`rows ${p}`, (x: Tensor, w: Tensor) => inParts(x, transB ? w.T : w, p)])),
  },
})

/** Products of many rows, as a transformer's tokens give them: whole, or in parts that stay in the cache. */
export const productOfRows = defineLowering({
  op: 'Gemm',
  when: (ctx) => onCpu(ctx) && !ctx.opt(2) && ctx.a.alpha === 1 && ctx.a.transA !== 1 && ctx.x[0].shape[0]! >= MANY,
  lower({ x: [x, w], a, target }) {
    const transB = a.transB === 1
    return chosenForm(target, rowsQuestion(x.shape[0]!, x.shape[1]!, w.shape[transB ? 0 : 1]!, transB), [x, w])
  },
})

/** The same for layers, which add a bias: to a whole product the kernel adds it, to parts a pass of its own, so both are timed with one. */
export const layerOfRows = defineLowering({
  op: 'MatMul',
  when: (ctx) => onCpu(ctx) && ctx.x[1].rank === 2 && ctx.x[0].rank >= 2 && ctx.x[0].size / ctx.x[0].shape.at(-1)! >= MANY,
  lower({ x: [x, w], step, target }) {
    const [k, n] = w.shape as [number, number]
    const m = x.size / k
    const question = rowsQuestion(m, k, n, false)
    const withBias: Question = {
      key: `${question.key} + bias`,
      inputs: [...question.inputs, [n]],
      forms: Object.fromEntries(
        Object.entries(question.forms).map(([name, f]) => [
          name,
          (p: Tensor, q: Tensor, bias?: Tensor) => (bias ? f(p, q).add(bias) : f(p, q)),
        ]),
      ),
    }
    return chosenForm(target, withBias, [x.reshape([m, k]), w])?.map((y) => y.reshape(step.outputs[0]!.shape))
  },
})

/** a' b over many rows, the gradient of a weight: either factor may be the one that is turned, and sums of parts may be added up. */
export const productOverRows = defineLowering({
  op: 'Gemm',
  when: (ctx) =>
    onCpu(ctx) && !ctx.opt(2) && ctx.a.alpha === 1 && ctx.a.transA === 1 && ctx.a.transB !== 1 && ctx.x[0].shape[0]! >= MANY,
  lower({ x: [a, b], target }) {
    const [m, p, q] = [a.shape[0]!, a.shape[1]!, b.shape[1]!]
    const parts = (part: number) => (u: Tensor, v: Tensor) =>
      u.reshape([m / part, part, u.shape[1]!]).T.matmul(v.reshape([m / part, part, v.shape[1]!])).sum([0]) // prettier-ignore
    const question: Question = {
      key: `product a' ${m}x${p}x${q}`,
      inputs: [
        [m, p],
        [m, q],
      ],
      forms: {
        whole: (u, v) => u.gemm(v, { transA: true }),
        turned: (u, v) => v.emit('FusedMatMul', [u], { transA: 1 }, { domain: 'com.microsoft' }).T,
        ...Object.fromEntries(
          partsOf(m).flatMap((part) => [
            [`rows ${part}`, parts(part)],
            [`turned, rows ${part}`, (u: Tensor, v: Tensor) => parts(part)(v, u).T],
          ]),
        ),
      },
    }
    return chosenForm(target, question, [a, b])
  },
})
