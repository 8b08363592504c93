import { handler } from './handler.ts'
import { readRecipe } from './recipeFile.ts'

export default handler<'recipe.read'>(({ recipe }) => ({ recipe: { ...readRecipe(recipe) } }))
