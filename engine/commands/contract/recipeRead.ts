import { z } from 'zod'
import { command } from './command.ts'
import { commonOptions, pathField } from './options.ts'

export const recipeRead = command({
  help: 'Check a recipe file and show it with every default and absolute paths',
  runsIn: 'main',
  positional: ['recipe'],
  input: z.strictObject({ recipe: pathField('Recipe file (JSON or YAML)'), ...commonOptions }),
  output: z.looseObject({ recipe: z.looseObject({}) }),
})
