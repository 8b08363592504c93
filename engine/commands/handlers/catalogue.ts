import { z } from 'zod'
import { augmentations } from '../../data/index.ts'
import { methods } from '../../methods/index.ts'
import { metrics } from '../../metrics/index.ts'
import { templates } from '../../students/index.ts'
import { recipeJsonSchema } from '../contract/index.ts'
import { handler } from './handler.ts'

/** Everything comes from the families' own lists, so that what is added there shows up in every form. */
export default handler<'catalogue'>(() => ({
  metrics: metrics.map(({ id, title, unit, better }) => ({ id, title, unit, better })),
  templates: templates.map(({ id, title, names, paper, argument, anyInput }) => ({
    id,
    title,
    names: [...names],
    paper,
    ...(argument === undefined ? {} : { argument }),
    anyInput: anyInput ?? false,
  })),
  augmentations: augmentations.map(({ id, title }) => ({ id, title })),
  methods: methods.map(({ key, title, paper, equation, limit, family, status, needs, options, check }) => ({
    key,
    title,
    paper,
    ...(equation === undefined ? {} : { equation }),
    limit,
    family,
    status,
    needs: { ...needs },
    claim: check.claim,
    options: z.toJSONSchema(options, { io: 'input' }),
  })),
  recipe: recipeJsonSchema(),
}))
