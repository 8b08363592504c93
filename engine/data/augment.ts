import { z } from 'zod'
import { OptionError } from '../errors.ts'
import { madeOf } from './origin.ts'
import type { Augment, AugmentBatch, AugmentRandom } from './types.ts'

/** One augmentation, in one file under `augment/`. */
export interface AugmentDefinition<Options extends z.ZodType = z.ZodType> {
  id: string
  title: string
  paper?: string
  options: Options
  /** Returns a new batch or the given one; never changes the given arrays. All draws come from `random`. */
  apply(batch: AugmentBatch, options: z.output<Options>, random: AugmentRandom): AugmentBatch
}

export const defineAugment = <Options extends z.ZodType>(definition: AugmentDefinition<Options>): AugmentDefinition<Options> =>
  definition

/** An augmentation with checked options, ready for `makeBatcher`. Throws OptionError naming the field. */
export function withOptions<Options extends z.ZodType>(definition: AugmentDefinition<Options>, options: unknown = {}): Augment {
  const parsed = definition.options.safeParse(options)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new OptionError(issue!.message, { where: ['augment', definition.id, ...issue!.path].join('.') })
  }
  const { id } = definition
  return madeOf({ id, apply: (batch, random) => definition.apply(batch, parsed.data, random) }, { id, options: parsed.data })
}

/** Numbers in one picture of the batch. */
export const pictureSize = ({ height, width, channels }: AugmentBatch): number => height * width * channels

/** A share in [0, 1]. */
export const shareOption = (value: number) => z.number().min(0).max(1).default(value)
