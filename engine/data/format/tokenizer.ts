/** Tokenizers as the `tokenizers` library writes them: a `tokenizer.json`, perhaps with a `tokenizer_config.json` beside it. */
import { Tokenizer } from '@huggingface/tokenizers'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DataError } from '../../errors.ts'
import type { TokenInfo } from '../types.ts'

export interface TextTokenizer {
  info: TokenInfo
  /** Token numbers of a text, without the special ones around it. */
  encode(text: string): number[]
  warnings: string[]
}

/** Names that the padding token goes by. */
const PADS = ['[PAD]', '<pad>', '<|pad|>', '<|endoftext|>', '</s>']
/** Any text that has tokens shows what is put around it. */
const PROBE = 'a'

/** Throws DataError for a file that is no tokenizer. */
export function readTokenizer(path: string): TextTokenizer {
  const bytes = readFileSync(path)
  let document: Record<string, unknown>
  let tokenizer: Tokenizer
  try {
    document = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>
    tokenizer = new Tokenizer(document, configBeside(path))
  } catch (cause) {
    throw new DataError(`the tokenizer cannot be read: ${(cause as Error).message.split('\n')[0]}`, {
      where: path,
      hint: 'expected a tokenizer.json of the tokenizers library',
      cause,
    })
  }
  const encode = (text: string, special: boolean) => [...tokenizer.encode(text, { add_special_tokens: special }).ids]
  const [plain, dressed] = [encode(PROBE, false), encode(PROBE, true)]
  const at = dressed.findIndex((_, i) => plain.every((id, k) => dressed[i + k] === id))
  const pad = padOf(document, tokenizer)
  const numbers = [...tokenizer.get_vocab(true).values()]
  return {
    info: {
      tokenizer: createHash('sha256').update(bytes).digest('hex'),
      vocabulary: numbers.reduce((most, id) => Math.max(most, id), -1) + 1,
      before: dressed.slice(0, at),
      after: dressed.slice(at + plain.length),
      pad: pad ?? 0,
    },
    encode: (text) => encode(text, false),
    warnings: pad === undefined ? ['the tokenizer names no padding token: 0 is used'] : [],
  }
}

function configBeside(path: string): Record<string, unknown> {
  const config = join(dirname(path), 'tokenizer_config.json')
  return existsSync(config) ? (JSON.parse(readFileSync(config, 'utf8')) as Record<string, unknown>) : {}
}

function padOf(document: Record<string, unknown>, tokenizer: Tokenizer): number | undefined {
  const { padding } = document as { padding?: { pad_id?: unknown } | null }
  if (typeof padding?.pad_id === 'number') return padding.pad_id
  return PADS.map((name) => tokenizer.token_to_id(name)).find((id) => id !== undefined)
}
