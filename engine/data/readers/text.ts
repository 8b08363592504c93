import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DataError, OptionError } from '../../errors.ts'
import { fileTree, holdsFiles, type FileKind } from '../format/fileTree.ts'
import { mapAtOnce, numbered } from '../format/listing.ts'
import { partFiles } from '../format/partFiles.ts'
import { readTable } from '../format/table.ts'
import { readTokenizer } from '../format/tokenizer.ts'
import { defineReader, type Source } from '../reader.ts'
import type { DataSet, OwnSplits } from '../types.ts'

const LINES = /\.(txt|tsv|csv)$/i
const TOKENIZER = 'tokenizer.json'
const TEXT_NAMES = /^(text|sentence|content|review|utterance|question|message)$/i
const LABEL_NAMES = /^(label|labels|class|category|target|intent|sentiment)$/i
const FILES: FileKind = { matches: (name) => /\.txt$/i.test(name), plural: 'text files' }

interface Texts {
  texts: string[]
  /** Class name of each text. */
  classOf: string[] | undefined
  splits: OwnSplits | undefined
  warnings: string[]
}

/**
 * Texts with a `tokenizer.json`: lines of a .txt file (unlabelled), rows of a .tsv or .csv file with a text and perhaps a label, or a folder
 * for each class with a .txt file for each text.
 */
export default defineReader({
  id: 'text',
  title: 'texts (.txt lines, .tsv or .csv with a text column, a folder for each class) with a tokenizer.json',
  options: {
    tokenizer: 'path of the tokenizer file, where it does not lie beside the texts',
    text: 'column with the text',
    target: 'column with the class',
  },
  recognises: isText,

  async open(source, { labels }): Promise<DataSet> {
    const path = tokenizerOf(source)
    if (path === undefined)
      throw new DataError(`expected a ${TOKENIZER} beside the texts, found none`, {
        where: source.spec,
        hint: 'put it there, or name it with ?tokenizer=PATH behind the path',
      })
    const tokenizer = readTokenizer(path)
    const { texts, classOf, splits, warnings } = await textsOf(source)
    if (texts.length === 0) throw new DataError('expected texts, found none', { where: source.spec })
    const named = labels === 'on' && classOf ? numbered(classOf) : undefined
    const known = new Map<number, number[]>()
    const idsOf = (index: number) => {
      let ids = known.get(index)
      if (!ids) known.set(index, (ids = tokenizer.encode(texts[index]!)))
      return ids
    }
    return {
      name: source.name,
      format: 'text',
      kind: 'tokens',
      length: texts.length,
      sample: { shape: [0], dtype: 'int64' },
      tokens: tokenizer.info,
      labelled: named !== undefined,
      ...named,
      ...(splits ? { splits } : {}),
      warnings: [...warnings, ...tokenizer.warnings],
      contentHash() {
        const hash = createHash('sha256').update(tokenizer.info.tokenizer)
        for (const text of texts) hash.update(`${text.length} `).update(text)
        return Promise.resolve(hash.digest('hex'))
      },
      read(indices) {
        const own = named ? { labels: Int32Array.from(indices, (i) => named.labels[i]!) } : {}
        return Promise.resolve({ kind: 'tokens', count: indices.length, ids: Array.from(indices, idsOf), ...own })
      },
    }
  },
})

/** Whether a source is texts rather than a table: a tokenizer lies beside it or is named, or it has nothing but text files. */
export async function isText(source: Source): Promise<boolean> {
  const { spec, name, entries } = source
  if (!entries) return /\.txt$/i.test(name) || (LINES.test(name) && tokenizerOf(source) !== undefined)
  if (tokenizerOf(source) !== undefined) return true
  const others = entries.some((entry) => /\.(csv|tsv|wave?|jpe?g|png|bmp|webp|gif)$/i.test(entry))
  // A lone classes.txt or read-me does not make a set of texts.
  return !others && (await holdsTexts(spec, entries))
}

async function holdsTexts(spec: string, entries: readonly string[]): Promise<boolean> {
  if (entries.some((entry) => /^(train|test|val|dev|data|texts?)\.txt$/i.test(entry))) return true
  for (const entry of entries) {
    const inner = await readdir(join(spec, entry)).catch(() => [])
    if (inner.length > 0 && inner.every((file) => /\.txt$/i.test(file))) return holdsFiles(spec, FILES, 2)
  }
  return false
}

function tokenizerOf({ spec, entries, options }: Source): string | undefined {
  const named = options['tokenizer']
  if (named !== undefined) {
    if (!existsSync(named)) throw new OptionError(`there is no file '${named}'`, { where: `data: ${spec}: tokenizer` })
    return named
  }
  const beside = join(entries ? spec : dirname(spec), TOKENIZER)
  return existsSync(beside) ? beside : undefined
}

async function textsOf(source: Source): Promise<Texts> {
  const { spec, entries } = source
  const lines = entries?.filter((entry) => LINES.test(entry)) ?? []
  if (entries && lines.length === 0) {
    const tree = await fileTree(spec, FILES)
    const texts = await mapAtOnce(tree.files, (file) => readFile(join(spec, file), 'utf8'))
    return { texts, classOf: tree.classOf, splits: tree.splits, warnings: tree.warnings }
  }
  const { files, splits } = partFiles(source, LINES)
  const parts = []
  for (const file of files) parts.push(/\.txt$/i.test(file) ? plainLines(file) : await labelledRows(file, source))
  const labelled = parts.every((part) => part.classOf)
  return {
    texts: parts.flatMap((part) => part.texts),
    classOf: labelled ? parts.flatMap((part) => part.classOf!) : undefined,
    splits: splits(parts.map((part) => part.texts.length)),
    warnings: [...new Set(parts.flatMap((part) => part.warnings))],
  }
}

type Part = Pick<Texts, 'texts' | 'classOf' | 'warnings'>

const plainLines = (path: string): Part => ({
  texts: readFileSync(path, 'utf8')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== ''),
  classOf: undefined,
  warnings: [],
})

async function labelledRows(path: string, { options }: Source): Promise<Part> {
  const { header, rows } = await readTable(path)
  const names = header?.map((name) => name.toLowerCase())
  const isHeader = names?.some((name) => TEXT_NAMES.test(name) || LABEL_NAMES.test(name) || Object.values(options).includes(name))
  const body = header && !isHeader ? [header, ...rows] : rows
  const width = body[0]?.length ?? 0
  const place = (option: string, pattern: RegExp) => {
    const wanted = options[option]
    const at = isHeader ? header!.findIndex((name) => (wanted === undefined ? pattern.test(name) : name === wanted)) : -1
    if (wanted !== undefined && at < 0) {
      const found = isHeader ? header!.join(', ') : 'no header'
      throw new OptionError(`expected a column '${wanted}', found ${found}`, { where: `data: ${path}: ${option}` })
    }
    return at
  }
  let [text, label] = [place('text', TEXT_NAMES), place('target', LABEL_NAMES)]
  const warnings: string[] = []
  if (text < 0) {
    if (width > 2)
      throw new DataError(`expected a column called text, found ${width} columns`, { where: path, hint: 'name it with ?text=NAME' })
    // Of two columns without names, the one with the longer cells is the text.
    const length = (column: number) => body.reduce((sum, row) => sum + row[column]!.length, 0)
    text = width === 2 && (label === 0 || (label < 0 && length(1) > length(0))) ? 1 : 0
  }
  if (label < 0 && width === 2) {
    label = 1 - text
    warnings.push(`column ${label + 1} is the class, column ${text + 1} the text`)
  }
  return { texts: body.map((row) => row[text]!), classOf: label < 0 ? undefined : body.map((row) => row[label]!.trim()), warnings }
}
