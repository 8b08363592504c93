import { z } from 'zod'
import { crossEntropy, softKl } from '../../losses/index.ts'
import { random } from '../../random.ts'
import { defineMethod, type LossContext, type UpdateRule } from '../method.ts'

interface Options {
  temperature: number
  alpha: number
  delta: number
}

const loss = ({ student, teacher, target, labelSmoothing }: LossContext, { temperature: T, alpha: a }: Options) => ({
  task: { group: 'task', weight: 1 - a, value: crossEntropy(student.logits, target!, { labelSmoothing }) },
  kd: { group: 'kd', weight: a * T ** 2, value: softKl(student.logits, teacher.logits, T) },
})

/**
 * Zhao et al. 2023, DOT: a distillation-oriented trainer, Algorithm 1. Two velocities over one forward pass:
 * v_task = (mu - D) v_task + g_task,  v_kd = (mu + D) v_kd + g_kd,  p = p - lr (v_task + v_kd).
 * Weight decay belongs to the task; a parameter that one loss alone reaches keeps mu. With D = 0 it is SGD with momentum.
 */
const rule = (sign: number): UpdateRule<Options> => ({
  slots: ['task', 'kd'],
  update({ p, g, slots, lr, weightDecay, momentum: mu, o }) {
    const both = g.task !== undefined && g.kd !== undefined
    const delta = both ? sign * o.delta : 0
    const task = weightDecay > 0 ? (g.task?.add(p.mul(weightDecay)) ?? p.mul(weightDecay)) : g.task
    const v = {
      task: task ? slots.task!.mul(mu - delta).add(task) : slots.task!,
      kd: g.kd ? slots.kd!.mul(mu + delta).add(g.kd) : slots.kd!,
    }
    return { p: p.sub(v.task.add(v.kd).mul(lr)), slots: v }
  },
})

/** 20 Gaussian classes in 16 dimensions; the test rows come last. */
function mixture(seed: number): { values: Float32Array; width: number; labels: Int32Array; classes: number; test: number } {
  const [n, width, classes] = [3000, 16, 20]
  const centres = new Float32Array(classes * width)
  random(seed, 'centres').fillNormal(centres, 0, 1)
  const values = new Float32Array(n * width)
  random(seed, 'rows').fillNormal(values, 0, 1)
  const labels = Int32Array.from({ length: n }, (_, i) => random(seed, 'class').int(i, classes))
  for (let i = 0; i < n; i++) for (let d = 0; d < width; d++) values[i * width + d]! += centres[labels[i]! * width + d]!
  return { values, width, labels, classes, test: 1000 }
}

export default defineMethod<Options>({
  key: 'dot',
  title: 'Distillation-oriented trainer',
  paper: 'ICCV 2023, DOT: A Distillation-Oriented Trainer',
  family: 'kd-response',
  status: 'ready',
  needs: { labels: 'required' },
  options: z.strictObject({
    temperature: z.number().positive().default(4),
    alpha: z.number().min(0).max(1).default(0.9),
    delta: z.number().min(-0.5).max(0.5).default(0.075).describe('Momentum moved from the task to the distillation gradient'),
  }),
  loss,
  update: rule(1),
  defaults: { optimizer: 'sgd', lr: 0.05 },
  sabotage: { update: rule(-1) },
  check: {
    claim: 'with D = 0.075 the final distillation loss is lower than with D = 0, and accuracy is not lower',
    required: { lossDropPercent: 2.5, accuracyGainPoints: -0.5 },
    async measure(lab) {
      const data = await lab.data(mixture(lab.seed))
      const teacher = await lab.train({ data, student: 'mlp:128', steps: 800, lr: 3e-3, optimizer: 'adam' })
      const settings = {
        data,
        student: 'mlp:24',
        teacher,
        steps: 800,
        lr: 0.01,
        optimizer: 'sgd' as const,
        momentum: 0.9,
        schedule: 'constant',
      }
      const dot = await lab.train({ ...settings, methods: [{ key: 'dot' }] })
      const plain = await lab.train({ ...settings, methods: [{ key: 'dot', options: { delta: 0 } }] })
      const score = async (m: typeof dot) => (await lab.evaluate(m, data)).top1
      return {
        lossDropPercent: 100 * (1 - dot.terms.kd! / plain.terms.kd!),
        accuracyGainPoints: (await score(dot)) - (await score(plain)),
      }
    },
  },
})
