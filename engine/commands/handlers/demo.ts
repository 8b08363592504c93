import { join, resolve } from 'node:path'
import { fullRecipe, Recipe } from '../contract/index.ts'
import { handler } from './handler.ts'
import { runPipeline } from './pipeline.ts'
import { checkOut } from './training.ts'

const DATA = 'builtin:glyphs?samples=6000&size=20&classes=10&difficulty=0.5'

/** The main job with nothing at hand: a teacher of our own making, on glyphs that the program draws. */
export default handler<'demo'>(async (input, ctx) => {
  const out = input.out ?? resolve('stillroom-out/demo')
  checkOut(input.out, input.overwrite)
  const common = {
    seed: input.seed,
    ...(input.threads ? { threads: input.threads } : {}),
    provider: input.provider,
    ...(input.store ? { store: input.store } : {}),
  }
  const start = performance.now()
  ctx.emit('stage', { name: 'train a teacher', index: 1, of: 7 })
  const teacher = await ctx.invoke(
    'train',
    {
      ...common,
      data: DATA,
      student: 'template:small-cnn:4',
      steps: 250,
      batch: 64,
      lr: 3e-3,
      out: join(out, 'teacher'),
      overwrite: true,
    },
    { on: (event, payload) => event !== 'started' && event !== 'stage' && ctx.emit(event as 'message', payload as never) },
  )
  const recipe = fullRecipe(
    Recipe.parse({
      name: 'demo',
      teacher: teacher.model,
      data: { path: DATA, labels: 'off' },
      student: 'template:small-cnn:0.5',
      methods: ['hinton-kd'],
      train: { steps: 900, lr: 4e-3 },
      quantize: { scheme: 'int8' },
      evaluate: {},
      benchmark: {},
      export: { variants: ['fp32', 'int8', 'ort'] },
      seed: input.seed,
      threads: input.threads,
      provider: input.provider,
    }),
  )
  return runPipeline({ recipe, out, store: input.store, overwrite: true }, ctx as never, [
    { name: 'teacher', seconds: (performance.now() - start) / 1000 },
  ])
})
