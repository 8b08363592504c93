import { z } from 'zod'
import { l1 } from '../../losses/index.ts'
import { random } from '../../random.ts'
import { talkingFaces } from '../faces.ts'
import type { Lab, LabData, LabModel } from '../lab.ts'
import { defineMethod, type LossContext, type Term } from '../method.ts'
import { digits, drawRows, meanOf, sum } from '../reference.ts'

interface Options {
  truth: number
  teacher: number
  hints: number
}

/**
 * Kim et al. 2023, a unified compression framework for talking-face generation: the student is the teacher's generator without its
 * residual blocks and with a fraction of its channels, taught without a discriminator:
 * L = w1 |S(x) - y|_1 + w2 |S(x) - T(x)|_1 + w3 sum_l ||A_l(S_l) - T_l||^2 / n_l, A_l a 1x1 convolution, l the levels of equal size.
 */
function loss(ctx: LossContext, o: Options, sign = 1): Record<string, Term> {
  const { student, teacher, target } = ctx
  const hints = student.features.map((f, i) => {
    const wanted = teacher.features[i]!
    const [to, from] = [wanted.shape[1]!, f.shape[1]!]
    return f
      .conv(ctx.param(`adapter${i}`, [to, from, 1, 1], from))
      .sub(wanted)
      .square()
      .mean()
  })
  return {
    ...(target && o.truth > 0 ? { truth: { weight: o.truth, value: l1(student.logits, target) } } : {}),
    ...(o.teacher > 0 ? { teacher: { weight: sign * o.teacher, value: l1(student.logits, teacher.logits) } } : {}),
    ...(o.hints > 0 && hints.length
      ? { hints: { weight: sign * o.hints, value: hints.slice(1).reduce((s, h) => s.add(h), hints[0]!) } }
      : {}),
  }
}

/** The loss and its gradient by the student's answer, for features [2, 2, 1, 2] and [2, 3, 1, 2]. */
async function formula(lab: Lab): Promise<number> {
  const [student, teacher, labels] = [drawRows(lab.seed, 'student', 2, 4), drawRows(lab.seed, 'teacher', 2, 4), [1, 3]]
  const flat = (name: string, count: number) => drawRows(lab.seed, name, 1, count)[0]!
  const [mine, theirs, adapter0] = [flat('mine', 8), flat('theirs', 12), flat('adapter', 6)]
  const features = [{ student: { shape: [2, 2, 1, 2], values: mine }, teacher: { shape: [2, 3, 1, 2], values: theirs } }]
  const [a, b, c] = [0.5, 2, 3]
  const options = { truth: a, teacher: b, hints: c }
  const found = await lab.formula('compressed-wav2lip', { student, teacher, labels, features, params: { adapter0 }, options })
  const truth = student.map((row, n) => row.map((_, k) => (k === labels[n] ? 1 : 0)))
  const each = student.flatMap((row, n) =>
    row.map((s, k) => {
      const [y, t] = [truth[n]![k]!, teacher[n]![k]!]
      return { value: a * Math.abs(s - y) + b * Math.abs(s - t), slope: (a * Math.sign(s - y) + b * Math.sign(s - t)) / 8 }
    }),
  )
  const squares = theirs.map((wanted, i) => {
    const [n, to, at] = [Math.floor(i / 6), Math.floor(i / 2) % 3, i % 2]
    return (sum([0, 1].map((from) => adapter0[to * 2 + from]! * mine[n * 4 + from * 2 + at]!)) - wanted) ** 2
  })
  const value = meanOf(each.map((e) => e.value)) + c * meanOf(squares)
  return digits([found.total, ...found.gradient], [value, ...each.map((e) => e.slope)])
}

const COUNT = 2000
const TEST = 400

/** Mean distance and peak signal-to-noise ratio in dB of pictures, for brightnesses from 0 to 1. */
function quality(found: Float32Array, wanted: Float32Array): { l1: number; psnr: number } {
  let [distance, squares] = [0, 0]
  found.forEach((v, i) => {
    distance += Math.abs(v - wanted[i]!)
    squares += (v - wanted[i]!) ** 2
  })
  return { l1: distance / found.length, psnr: -10 * Math.log10(squares / found.length) }
}

async function measure(lab: Lab) {
  // Grain stands for what neither the face nor the voice tells; the tone comes in a unit of its own, as recordings do.
  const spec = talkingFaces(lab.seed, { count: COUNT, test: TEST, volume: 30, noise: 0.3 })
  const data: LabData = await lab.data(spec)
  const wanted = spec.target.subarray((COUNT - TEST) * 256)
  const judge = async (m: LabModel) => quality(await lab.logits(m, data, data.test), wanted)
  const adam = { data, optimizer: 'adam' as const, batch: 32 }
  const method = (options: Options) => [{ key: 'compressed-wav2lip', options: { ...options } }]
  const alone = method({ truth: 1, teacher: 0, hints: 0 })
  // The first of all has nobody to learn from: an untrained network whose weight is 0 stands in.
  const nobody = await lab.train({ ...adam, student: 'encoder-decoder:2?blocks=0', steps: 1, lr: 1e-9 })
  const wide = { ...adam, student: 'encoder-decoder:12?blocks=1', steps: 280, lr: 1.5e-2 }
  const teacher = await lab.train({ ...wide, teacher: nobody, pairs: ['down0=down0'], methods: alone })
  const small = {
    ...adam, teacher, student: 'encoder-decoder:3?blocks=0', steps: 400, lr: 2e-2, indices: data.train.slice(0, 100),
    pairs: ['down0=down0', 'down1=down1', 'down2=down2', 'up1=up1', 'up0=up0'],
  } // prettier-ignore
  const scratch = await lab.train({ ...small, methods: alone })
  const student = await lab.train({ ...small, methods: method({ truth: 1, teacher: 3, hints: 0.03 }) })
  const [own, taught] = [await judge(scratch), await judge(student)]
  return {
    l1LowerPercent: 100 * (1 - taught.l1 / own.l1),
    parameterRatio: teacher.parameters / student.parameters,
    studentPsnr: taught.psnr,
    scratchPsnr: own.psnr,
    teacherPsnr: (await judge(teacher)).psnr,
    ...(await selective(lab, data, student, judge)),
  }
}

type Judge = (m: LabModel) => Promise<{ psnr: number }>

/**
 * Layers to half precision by how far each alone, in integers, moves the answers on training samples; a fifth of them stays there. The control
 * draws as many at random, five times.
 */
async function selective(lab: Lab, data: LabData, student: LabModel, judge: Judge) {
  const all = await lab.integers(student, data)
  const seen = data.train.slice(0, 128)
  const float = await lab.logits(student, data, seen)
  const noise: { name: string; psnr: number }[] = []
  for (const name of all.layers) {
    const alone = await lab.integers(student, data, all.layers.filter((l) => l !== name)) // prettier-ignore
    noise.push({ name, psnr: quality(await lab.logits(alone, data, seen), float).psnr })
  }
  noise.sort((a, b) => a.psnr - b.psnr)
  const count = Math.max(1, Math.round(all.layers.length / 5))
  const psnr = async (half: readonly string[]) => (await judge(await lab.integers(student, data, half))).psnr
  const chosen = await psnr(noise.slice(0, count).map((l) => l.name))
  const random5: number[] = []
  for (let k = 0; k < 5; k++) {
    const order = random(lab.seed, 'half', k).permutation(all.layers.length)
    random5.push(await psnr(Array.from(order.slice(0, count), (i) => all.layers[i]!)))
  }
  const whole = (await judge(student)).psnr
  return {
    integersLoseDb: whole - (await judge(all)).psnr,
    selectiveKeepsDb: chosen - whole,
    overRandomDb: chosen - meanOf(random5),
    layers: all.layers.length,
    halfLayers: count,
  }
}

export default defineMethod<Options>({
  key: 'compressed-wav2lip',
  title: 'Compressed talking-face generator',
  paper: 'arXiv:2304.00471',
  limit:
    'Checked on drawn faces of 16x16 pixels, grainy while training, with a tone thirty times as large as a brightness. The published loss has a term for lip and voice in step, from a frozen expert, which is left out; its weights are unpublished.',
  equation: 'L = w₁ |S(x) − y|₁ + w₂ |S(x) − T(x)|₁ + w₃ Σ_l mean (A_l(S_l) − T_l)², A_l: 1x1 convolutions',
  family: 'gan-compression',
  status: 'ready',
  needs: { labels: 'optional', features: true },
  compares: 'values',
  options: z.strictObject({
    truth: z.number().min(0).default(1).describe('Weight of the distance to the wanted picture'),
    teacher: z.number().min(0).default(3).describe("Weight of the distance to the teacher's picture"),
    hints: z.number().min(0).default(0.03).describe('Weight of the hints at each level'),
  }),
  loss: (ctx, o) => loss(ctx, o),
  sabotage: { loss: (ctx, o) => loss(ctx, o, -1) },
  check: {
    claim:
      'a generator without residual blocks and with a quarter of the channels ends nearer to the truth when its teacher helps; with the most sensitive fifth of its layers in half precision the others can be integers',
    required: { l1LowerPercent: 15, integersLoseDb: 1, selectiveKeepsDb: -0.3, overRandomDb: 0 },
    formula,
    measure,
  },
})
