import { basename, extname, resolve } from 'node:path'
import { handler } from './handler.ts'
import { runPipeline } from './pipeline.ts'
import { readRecipe } from './recipeFile.ts'
import { checkOut } from './training.ts'

export default handler<'compress'>(async (input, ctx) => {
  const recipe = readRecipe(input.recipe)
  for (const key of ['seed', 'threads', 'provider'] as const)
    if (input[key] !== undefined) Object.assign(recipe, { [key]: input[key] })
  const out = input.out ?? resolve(`stillroom-out/${recipe.name ?? basename(input.recipe, extname(input.recipe))}`)
  checkOut(out, input.overwrite)
  return runPipeline({ recipe, out, store: input.store, overwrite: true }, ctx)
})
