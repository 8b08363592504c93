/** The JSON Schema of a recipe, as editors read it through the recipe's `$schema` key. */
import { join } from 'node:path'
import prettier from 'prettier'
import { recipeJsonSchema } from '../engine/commands/contract/index.ts'

export const RECIPE_SCHEMA = 'docs/recipe.schema.json'

/** Text of `docs/recipe.schema.json`, formatted as the repository's files are. */
export async function recipeSchemaText(root: string): Promise<string> {
  const options = await prettier.resolveConfig(join(root, RECIPE_SCHEMA))
  return prettier.format(JSON.stringify(recipeJsonSchema()), { ...options, parser: 'json' })
}
