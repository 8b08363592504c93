/** Texts as token numbers of one length. */
import { z } from 'zod'
import { DataError } from '../../errors.ts'
import type { DataSet, TokenBatch } from '../types.ts'
import type { FrontEnd } from './frontEnd.ts'

const token = z.number().int().min(0)

export const tokensSchema = z.strictObject({
  kind: z.literal('tokens'),
  /** Tokens of every text, the special ones included: longer texts lose their end, shorter ones are padded at the end. */
  length: z.number().int().positive(),
  pad: token,
  /** Special tokens around a text. */
  before: z.array(token),
  after: z.array(token),
  vocabulary: z.number().int().positive(),
  /** SHA-256 (hex) of the tokenizer file. */
  tokenizer: z.string(),
})

export type TokensPreprocess = z.output<typeof tokensSchema>

/** Inputs input_ids, attention_mask (1 on tokens, 0 on padding) and token_type_ids (all 0), each [length]. */
export function tokensFront(p: TokensPreprocess, set: DataSet): FrontEnd {
  if (set.tokens && set.tokens.tokenizer !== p.tokenizer) {
    throw new DataError('the texts were tokenized with another tokenizer than the one that the model was trained with', {
      where: set.name,
      hint: `expected the tokenizer file with SHA-256 ${p.tokenizer.slice(0, 12)}…, found ${set.tokens.tokenizer.slice(0, 12)}…`,
    })
  }
  const { length, before, after } = p
  const room = length - before.length - after.length
  if (room < 1)
    throw new DataError(`expected a length above the ${length - room} special tokens, found ${length}`, { where: set.name })
  const shape = [length]
  return {
    inputs: ['input_ids', 'attention_mask', 'token_type_ids'].map((name) => ({ name, shape })),
    // How many tokens there are, then the tokens and the padding.
    kept: { shape: [length + 1], bytes: false },
    first(raw) {
      const { ids } = raw as TokenBatch
      const out = new Float32Array(ids.length * (length + 1)).fill(p.pad)
      for (const [n, own] of ids.entries()) {
        const all = [...before, ...own.slice(0, room), ...after]
        out.set([all.length, ...all], n * (length + 1))
      }
      return out
    },
    second(kept, count) {
      const [ids, mask] = [new Float32Array(count * length), new Float32Array(count * length)]
      for (let n = 0; n < count; n++) {
        const start = n * (length + 1)
        ids.set(kept.subarray(start + 1, start + 1 + length), n * length)
        mask.fill(1, n * length, n * length + kept[start]!)
      }
      return [ids, mask, new Float32Array(count * length)]
    },
  }
}

/** Longest default input. */
const LONGEST = 128

/** The length that 95 of 100 training texts do not exceed, special tokens included, at most 128. */
export async function completeTokens(
  set: DataSet,
  train: Int32Array,
  given: Readonly<Record<string, unknown>>,
): Promise<TokensPreprocess> {
  const { tokenizer, vocabulary, before, after, pad } = set.tokens!
  const { ids } = (await set.read(train)) as TokenBatch
  const lengths = ids.map((own) => own.length + before.length + after.length).sort((a, b) => a - b)
  const usual = lengths[Math.ceil(0.95 * lengths.length) - 1] ?? 1
  const least = before.length + after.length + 1
  const length = Math.min(LONGEST, Math.max(least, usual))
  return tokensSchema.parse({
    kind: 'tokens',
    length: typeof given['length'] === 'number' ? given['length'] : length,
    pad,
    before: [...before],
    after: [...after],
    vocabulary,
    tokenizer,
  })
}

/** One line for the person. */
export const describeTokens = (p: TokensPreprocess): string =>
  `${p.length} tokens of a vocabulary of ${p.vocabulary}, padded with ${p.pad}`
