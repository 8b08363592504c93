import { arrayDataSet, makeSplits } from '../../engine/data/index.ts'
import { random } from '../../engine/random.ts'
import type { Provider } from '../../engine/session/index.ts'
import { buildTemplate } from '../../engine/students/index.ts'
import { fit, toNet, type Checkpoint, type Fit, type FitOptions } from '../../engine/train/index.ts'

const [STEPS, STOP, SAMPLES, WIDTH] = [8, 3, 40, 6]

/** A training through the trainer's own loop: on the CPU, on WebGPU, and on WebGPU stopped and resumed from its checkpoint. */
export interface Resumed {
  /** Largest difference of a weight to that of the CPU's training. */
  whole: number
  resumed: number
  /** Largest weight, as a measure of the above. */
  largest: number
  /** What the trainer said: fallbacks, if any. */
  messages: string[]
}

export async function stopAndResume(): Promise<Resumed> {
  const messages: string[] = []
  const cpu = await fit(options('cpu', messages))
  const whole = await fit(options('webgpu', messages))
  const stop = new AbortController()
  let checkpoint: Checkpoint | undefined
  const on: FitOptions['on'] = {
    step: ({ step }) => step === STOP && stop.abort(),
    checkpoint: (made) => (checkpoint = made),
    message: (_, text) => messages.push(text),
  }
  await fit({ ...options('webgpu', messages), signal: stop.signal, on }).catch(() => undefined)
  const resumed = await fit({ ...options('webgpu', messages), resume: checkpoint })
  return {
    whole: apart(cpu, whole),
    resumed: apart(cpu, resumed),
    largest: Math.max(...[...cpu.weights.values()].flatMap((t) => Array.from(t.numbers(), Math.abs))),
    messages,
  }
}

function options(provider: Provider, messages: string[]): FitOptions {
  const data = random(5, 'rows').fillNormal(new Float32Array(SAMPLES * WIDTH))
  const labels = Int32Array.from({ length: SAMPLES }, (_, i) => (data[i * WIDTH]! > 0 ? 1 : 0))
  const dataset = arrayDataSet({ name: 'rows', format: 'rows', shape: [WIDTH, 1, 1], data, labels })
  return {
    student: toNet(buildTemplate('mlp:8', { input: [WIDTH, 1, 1], classes: 2, seed: 1 }), 'logits'),
    teacher: undefined,
    samples: { dataset, preprocess: undefined },
    splits: makeSplits(dataset, { seed: 1 }),
    classes: 2,
    labelled: true,
    methods: [],
    steps: STEPS,
    batch: 8,
    lr: 0.02,
    optimizer: 'adamw',
    momentum: 0.9,
    weightDecay: 0.01,
    schedule: 'cosine',
    warmup: 2,
    ema: 0.9,
    accumulate: 2,
    labelSmoothing: 0.1,
    augment: [],
    evalEvery: 4,
    checkpointEvery: 100,
    seed: 3,
    threads: 1,
    provider,
    target: { provider, block: 1 },
    on: { message: (_, text) => messages.push(text) },
  }
}

const apart = (p: Fit, q: Fit): number =>
  Math.max(
    ...[...p.weights].flatMap(([name, t]) => {
      const other = q.weights.get(name)!.numbers()
      return Array.from(t.numbers(), (v, i) => Math.abs(v - other[i]!))
    }),
  )
