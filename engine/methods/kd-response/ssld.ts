import { z } from 'zod'
import { jsDivergence } from '../../losses/index.ts'
import { defineMethod, type LossContext } from '../method.ts'

/**
 * Cui et al. 2021, Beyond Self-Supervision: a simple yet effective network distillation alternative to improve backbones (SSLD).
 * L = JS(p_T, p_S) = KL(p_T || m) / 2 + KL(p_S || m) / 2 with m = (p_T + p_S) / 2; no labels. The second, short stage lowers the
 * rate, as the paper's fine-tuning on the target images does.
 */
const loss = ({ student, teacher }: LossContext, sign = 1) => ({
  js: { weight: sign, value: jsDivergence(teacher.logits.softmax(), student.logits.softmax()) },
})

interface Options {
  fineTuneShare: number
  fineTuneRate: number
}

export default defineMethod<Options>({
  key: 'ssld',
  title: 'Label-free distillation by Jensen-Shannon divergence (SSLD)',
  paper: 'arXiv:2103.05959',
  family: 'kd-response',
  status: 'ready',
  needs: { labels: 'unused' },
  options: z.strictObject({
    fineTuneShare: z.number().min(0).max(0.5).default(0.1).describe('Share of the steps in the second stage'),
    fineTuneRate: z.number().positive().max(1).default(0.01).describe('Learning rate of the second stage, relative to the first'),
  }),
  loss: (ctx) => loss(ctx),
  stages: ({ fineTuneShare, fineTuneRate }) =>
    fineTuneShare === 0
      ? [{ name: 'distill', share: 1 }]
      : [
          { name: 'distill', share: 1 - fineTuneShare },
          { name: 'fine-tune', share: fineTuneShare, rate: fineTuneRate },
        ],
  sabotage: { loss: (ctx) => loss(ctx, -1) },
  check: {
    claim: 'few labels and many unlabelled images: label-free distillation on all of them beats cross-entropy on the labelled ones',
    required: { gainPoints: 3 },
    async measure(lab) {
      const data = await lab.data({ builtin: 'builtin:glyphs?samples=5000&size=16&classes=10&difficulty=0.6' })
      const teacher = await lab.train({ data, student: 'small-cnn', steps: 500, lr: 3e-3, optimizer: 'adam' })
      const settings = { data, student: 'mlp:48', steps: 700, lr: 3e-3, optimizer: 'adam' as const }
      const labelled = await lab.train({ ...settings, indices: data.train.slice(0, 200) })
      const distilled = await lab.train({ ...settings, teacher, methods: [{ key: 'ssld' }], labels: 'off' })
      return { gainPoints: (await lab.evaluate(distilled, data)).top1 - (await lab.evaluate(labelled, data)).top1 }
    },
  },
})
