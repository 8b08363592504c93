import { z } from 'zod'
import { findMethod } from '../../methods/index.ts'
import { handler } from './handler.ts'

export default handler<'methods.show'>(({ key }) => {
  const { title, paper, equation, limit, family, status, needs, options, check, stages, views } = findMethod(key)
  const defaults = options.parse({})
  return {
    key,
    title,
    paper,
    ...(equation === undefined ? {} : { equation }),
    limit,
    family,
    status,
    needs,
    options: z.toJSONSchema(options, { io: 'input' }),
    stages: stages?.(defaults) ?? [],
    views: views?.(defaults) ?? [],
    check: { claim: check.claim, required: { ...check.required } },
  }
})
