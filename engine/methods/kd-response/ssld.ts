import { z } from 'zod'
import { jsDivergence } from '../../losses/index.ts'
import { random } from '../../random.ts'
import { defineMethod, type LossContext, type Pool } from '../method.ts'
import { digits, drawRows, kl, meanOf, softmax, sum, type Rows } from '../reference.ts'

/**
 * Cui et al. 2021, Beyond Self-Supervision: a simple yet effective network distillation alternative to improve backbones (SSLD).
 * L = JS(p_T, p_S) = KL(p_T || m) / 2 + KL(p_S || m) / 2 with m = (p_T + p_S) / 2; no labels. The second, short stage lowers the
 * rate, as the paper's fine-tuning on the target images does.
 */
const loss = ({ student, teacher }: LossContext, sign = 1) => ({
  js: { weight: sign, value: jsDivergence(teacher.logits.softmax(), student.logits.softmax()) },
})

interface Options {
  topPerClass: number
  fineTuneShare: number
  fineTuneRate: number
}

/**
 * Top-k per class (section 3.3 and the released code's guide): each sample belongs to the class that the teacher gives the highest
 * probability, and of each class the `keep` samples with the highest one stay; fewer where the class has fewer. Near-copies of the
 * test images, which the authors take out first, are not looked for.
 */
export function topPerClass({ indices, logits, classes }: Pool, keep: number): Int32Array {
  const scored = Array.from(indices, (index, n) => {
    const p = softmax([...logits.subarray(n * classes, (n + 1) * classes)])
    const score = Math.max(...p)
    return { index, score, label: p.indexOf(score) }
  })
  const left = new Array<number>(classes).fill(keep)
  const best = scored.sort((a, b) => b.score - a.score || a.index - b.index).filter(({ label }) => left[label]!-- > 0)
  return Int32Array.from(best, ({ index }) => index).sort()
}

/** The divergence and its gradient: dJS/dp_S = ln(p_S / m) / 2, then through the softmax. Mean over the batch. */
function byHand(student: Rows, teacher: Rows): number[] {
  const rows = student.map((s, n) => {
    const [p, q] = [softmax(teacher[n]!), softmax(s)]
    const m = p.map((x, c) => (x + q[c]!) / 2)
    const slope = q.map((x, c) => Math.log(x / m[c]!) / 2)
    const mean = sum(q.map((x, c) => x * slope[c]!))
    return { value: (kl(p, m) + kl(q, m)) / 2, gradient: q.map((x, c) => (x * (slope[c]! - mean)) / student.length) }
  })
  return [meanOf(rows.map((r) => r.value)), ...rows.flatMap((r) => r.gradient)]
}

export default defineMethod<Options>({
  key: 'ssld',
  title: 'Label-free distillation by Jensen-Shannon divergence (SSLD)',
  paper: 'arXiv:2103.05959',
  limit:
    'The published gains rest on millions of further images; here your own unlabelled ones take their place. Near-copies of test images are not looked for.',
  equation: 'L = ½ KL(p_T ‖ m) + ½ KL(p_S ‖ m), m = (p_T + p_S) / 2',
  family: 'kd-response',
  status: 'ready',
  needs: { labels: 'unused' },
  options: z.strictObject({
    topPerClass: z
      .number()
      .int()
      .min(0)
      .default(0)
      .describe(
        'Learn only from the so many samples of each class that the teacher is surest of, for pools with foreign images; 0: all',
      ),
    fineTuneShare: z.number().min(0).max(0.5).default(0.1).describe('Share of the steps in the second stage'),
    fineTuneRate: z.number().positive().max(1).default(0.01).describe('Learning rate of the second stage, relative to the first'),
  }),
  loss: (ctx) => loss(ctx),
  select: (pool, o) => (o.topPerClass > 0 ? topPerClass(pool, o.topPerClass) : undefined),
  stages: ({ fineTuneShare, fineTuneRate }) =>
    fineTuneShare === 0
      ? [{ name: 'distill', share: 1 }]
      : [
          { name: 'distill', share: 1 - fineTuneShare },
          { name: 'fine-tune', share: fineTuneShare, rate: fineTuneRate },
        ],
  sabotage: { loss: (ctx) => loss(ctx, -1) },
  check: {
    claim:
      'few labels and many unlabelled images: label-free distillation on all of them beats cross-entropy on the labelled ones, and of a pool that is half clutter the samples that the teacher is surest of teach more than as many drawn at random',
    required: { gainPoints: 3, selectionGainPoints: 1 },
    async formula(lab) {
      const [student, teacher] = [drawRows(lab.seed, 'student', 4, 3), drawRows(lab.seed, 'teacher', 4, 3)]
      const found = await lab.formula('ssld', { student, teacher })
      return digits([found.total, ...found.gradient], byHand(student, teacher))
    },
    async measure(lab) {
      // Classes 10 to 19 are letters that the teacher never saw.
      const data = await lab.data({
        builtin: 'builtin:glyphs?samples=12500&size=12&classes=20&difficulty=0.5&test=0.16',
        known: 10,
      })
      const known = data.train.filter((i) => data.labels[i]! < 10)
      const adam = { data, optimizer: 'adam' as const, lr: 3e-3 }
      const teacher = await lab.train({ ...adam, student: 'small-cnn', indices: known.slice(0, 1000), steps: 400 })
      const settings = { ...adam, student: 'mlp:48', steps: 700 }
      const labelled = await lab.train({ ...settings, indices: known.slice(0, 200) })
      const distil = (indices: Int32Array, options: Partial<Options> = {}) =>
        lab.train({ ...settings, teacher, indices, labels: 'off', methods: [{ key: 'ssld', options }] })
      const distilled = await distil(known.slice(0, 4200))
      const pool = data.train.slice(0, 4000)
      const chosen = await distil(pool, { topPerClass: 120 })
      const order = random(lab.seed, 'pick').permutation(pool.length)
      const drawn = await distil(order.slice(0, chosen.samples).map((at) => pool[at]!))
      const score = async (m: typeof labelled) => (await lab.evaluate(m, data)).top1
      return {
        gainPoints: (await score(distilled)) - (await score(labelled)),
        selectionGainPoints: (await score(chosen)) - (await score(drawn)),
        samplesChosen: chosen.samples,
        teacherPercent: await score(teacher),
      }
    },
  },
})
