/** Readers of sounds, graphs, tables, texts and masks, through the front end that each of them gets. */
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { scratchFolders } from '../../tests/scratch.ts'
import { sharedData } from '../../tests/shared.ts'
import { batchInputs, completePreprocess, inspectDataSet, makeBatcher, makeSplits, openDataSet, sequential } from './index.ts'
import type { Batch, DataSet, MapTarget } from './types.ts'

const folder = scratchFolders()
const file = (name: string, content: string) => join(folder({ [name]: content }), name)

/** All samples in one batch, as a model would get them. */
async function whole(set: DataSet, given: Record<string, unknown> = {}): Promise<Batch> {
  const indices = Int32Array.from({ length: set.length }, (_, i) => i)
  const preprocess = await completePreprocess(set, indices, given)
  for await (const batch of sequential({ dataset: set, indices, batch: set.length, preprocess })) return batch
  throw new Error('no batch')
}

describe('sounds', () => {
  /** 16-bit mono at a rate. */
  const wav = (samples: number[], rate = 8000) => {
    const out = Buffer.alloc(44 + 2 * samples.length)
    out.write('RIFF')
    out.writeUInt32LE(36 + 2 * samples.length, 4)
    out.write('WAVEfmt ', 8)
    ;[16, 0].forEach((v, i) => out.writeUInt16LE(v, 16 + 2 * i))
    ;[1, 1].forEach((v, i) => out.writeUInt16LE(v, 20 + 2 * i))
    out.writeUInt32LE(rate, 24)
    out.writeUInt32LE(2 * rate, 28)
    out.writeUInt16LE(2, 32)
    out.writeUInt16LE(16, 34)
    out.write('data', 36)
    out.writeUInt32LE(2 * samples.length, 40)
    samples.forEach((v, i) => out.writeInt16LE(v, 44 + 2 * i))
    return out
  }
  const noise = (length: number, from = 1) => Array.from({ length }, (_, i) => ((i + from) * 7919) % 4001)

  it('take a folder for a class, or the name of a file for class and part', async () => {
    const folders = await openDataSet(folder({ 'yes/a.wav': wav(noise(500)), 'no/b.wav': wav(noise(400)) }))
    expect(folders).toMatchObject({
      format: 'wav-folder',
      kind: 'audio',
      classes: ['no', 'yes'],
      rate: 8000,
      sample: { shape: [0] },
    })
    const names = await openDataSet(
      folder({ '7_ann_0.wav': wav(noise(400)), '7_ann_5.wav': wav(noise(400, 2)), '3_bob_9.wav': wav(noise(400, 3)) }),
    )
    expect(names).toMatchObject({ classes: ['3', '7'], splits: { train: [0, 2], test: [2, 3] }, sample: { shape: [400] } })
    expect(Array.from(names.labels!)).toEqual([0, 1, 1])
    const flat = await openDataSet(folder({ 'a.wav': wav(noise(400)), 'b.wav': wav(noise(400)) }))
    expect(flat.labelled).toBe(false)
    const off = await openDataSet(folder({ 'yes/a.wav': wav(noise(400)), 'no/b.wav': wav(noise(400)) }), { labels: 'off' })
    expect(off).toMatchObject({ labelled: false, length: 2 })
    expect(off.labels).toBeUndefined()
  })

  it('become standardised spectrograms of one length, whatever their rate', async () => {
    const path = folder({ 'a.wav': wav(noise(1600)), 'b.wav': wav(noise(1000, 5)), 'c.wav': wav(noise(3200, 9), 16000) })
    const set = await openDataSet(path)
    expect(set.warnings).toEqual(['1 recordings have another rate than 8000 Hz: they are resampled'])
    const { x, shape } = await whole(set, { mels: 10 })
    expect(shape.slice(0, 2)).toEqual([3, 1])
    expect(shape[3]).toBe(10)
    for (let m = 0; m < 10; m++) {
      const column = Array.from(x).filter((_, i) => i % 10 === m)
      const mean = column.reduce((a, b) => a + b, 0) / column.length
      expect(Math.abs(mean)).toBeLessThan(0.01)
      expect(column.reduce((a, v) => a + (v - mean) ** 2, 0) / column.length).toBeCloseTo(1, 1)
    }
    expect((await whole(set, { kind: 'waveform', samples: 2000 })).shape).toEqual([3, 2000])
    await expect(whole(set, { mels: 128, fft: 256, window: 256 })).rejects.toThrow(/128 filters are too many/)
  })

  it('that are cut off are refused by name, or left out', async () => {
    const path = folder({ 'x/a.wav': wav(noise(400)), 'x/b.wav': wav(noise(400)).subarray(0, 500), 'y/c.wav': wav(noise(400)) })
    await expect(openDataSet(path)).rejects.toMatchObject({ code: 'data', where: join(path, 'x', 'b.wav'), message: /cut off/ })
    const set = await openDataSet(path, { corrupt: 'skip' })
    expect(set).toMatchObject({ length: 2, warnings: [expect.stringMatching(/1 unreadable/)] })
  })

  const digits = sharedData('spoken-digits')
  it.skipIf(!digits)('of real digits are read with their split', { timeout: 60_000 }, async () => {
    expect(await inspectDataSet(digits!)).toMatchObject({
      samples: 1200,
      classes: Array.from({ length: 10 }, (_, i) => String(i)),
      splits: { train: 900, test: 300 },
      preprocess: { kind: 'log-mel', sampleRate: 8000 },
    })
  })
})

describe('tables', () => {
  const rows = 'size,colour,price\n1,red,10\n3,blue,20\n5,red,30\n7,blue,60\n'

  it('standardise numbers by the training rows and spread categories', async () => {
    const set = await openDataSet(`${file('a.csv', rows)}?target=price`)
    expect(set).toMatchObject({ kind: 'table', target: { kind: 'values', names: ['price'] }, labelled: true })
    const preprocess = await completePreprocess(set, Int32Array.of(0, 1))
    expect(preprocess).toEqual({
      kind: 'table',
      columns: [
        { name: 'size', type: 'number', mean: 2, std: 1 },
        { name: 'colour', type: 'category', values: ['blue', 'red'] },
      ],
    })
    const batcher = makeBatcher({ dataset: set, indices: Int32Array.of(3), batch: 1, seed: 1, preprocess })
    expect(await batcher.at(0)).toMatchObject({ x: Float32Array.of(5, 1, 0), y: Float32Array.of(60), shape: [1, 3] })
  })

  it('guess the target, as classes where it is text or few whole numbers', async () => {
    const text = await openDataSet(file('a.csv', 'a,class\n1,x\n2,y\n3,x\n4,y\n'))
    expect(text).toMatchObject({ classes: ['x', 'y'], warnings: [expect.stringMatching(/'class' is the target/)] })
    const numbers = await openDataSet(file('b.csv', '1;2;0\n2;3;10\n3;4;2\n4;4;10\n4;4;2\n4;4;0\n'))
    expect(numbers.classes).toEqual(['0', '2', '10'])
    expect(Array.from(numbers.labels!)).toEqual([0, 2, 1, 2, 1, 0])
    const forced = await openDataSet(`${file('b.csv', 'a,b\n1,0\n2,1\n3,0\n4,1\n')}?task=values`)
    expect(forced.target?.kind).toBe('values')
    expect((await openDataSet(file('c.csv', rows), { labels: 'off' })).target).toBeUndefined()
  })

  it('of two files have two parts', async () => {
    const set = await openDataSet(folder({ 'train.csv': 'a,y\n1,2.5\n2,3.5\n', 'test.csv': 'a,y\n3,4.5\n' }))
    expect(makeSplits(set, { seed: 1, validationShare: 0 })).toMatchObject({ train: Int32Array.of(0, 1), test: Int32Array.of(2) })
  })

  it.each([
    ['rows of unequal length', 'a,b\n1,2\n1\n', '', /row 3: expected 2 cells as in the first row, found 1/],
    ['missing values', 'a,b\n1,2\n,2\n', '', /row 3, column 'a': the value is missing/],
    ['texts among numbers', 'a,b\n1,2\n2,3\nx,2\n4,5\n', '', /column 'a', sample 3: expected a number as in most rows, found 'x'/],
    ['two columns of one name', 'a,a\n1,2\n', '', /two columns are called 'a'/],
    ['an unknown target', 'a,b\n1,2\n', '?target=c', /expected a column of a, b, found 'c'/],
    ['an unknown option', 'a,b\n1,2\n', '?targett=b', /'targett' is no option of a CSV/],
    ['nothing', '\n', '', /expected rows, found none/],
    ['open quotes', 'a,b\n"1,2\n', '', /quote/],
  ])('with %s are refused', async (_, content, query, message) => {
    await expect(openDataSet(file('a.csv', content) + query)).rejects.toThrow(message)
  })

  it('leave out rows with missing values when asked to, and refuse a category that was never trained on', async () => {
    const path = file('a.csv', 'a,b,y\nu,1,1.5\nv,NA,2.5\nw,3,3.5\n')
    const set = await openDataSet(`${path}?missing=drop`)
    expect(set).toMatchObject({ length: 2, warnings: [expect.anything(), '1 rows with missing values were left out'] })
    const preprocess = await completePreprocess(set, Int32Array.of(0))
    const batcher = makeBatcher({ dataset: set, indices: Int32Array.of(1), batch: 1, seed: 1, preprocess })
    await expect(batcher.at(0)).rejects.toThrow(/column 'a': 'w' is none of the categories/)
  })

  const iris = sharedData('iris.csv')
  it.skipIf(!iris)('as scikit-learn writes them are known', async () => {
    expect(await inspectDataSet(iris!)).toMatchObject({
      samples: 150,
      classes: ['setosa', 'versicolor', 'virginica'],
      sample: { shape: [4] },
    })
  })
})

describe('texts', () => {
  const words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'a', 'good', 'bad', 'film', '##s', '.']
  const special = (id: string) => ({ SpecialToken: { id, type_id: 0 } })
  const tokenizer = JSON.stringify({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [0, 1, 2, 3].map((id) => ({
      id,
      content: words[id],
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [special('[CLS]'), { Sequence: { id: 'A', type_id: 0 } }, special('[SEP]')],
      pair: [],
      special_tokens: Object.fromEntries(['[CLS]', '[SEP]'].map((id) => [id, { id, ids: [words.indexOf(id)], tokens: [id] }])),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(words.map((word, i) => [word, i])),
    },
  })

  it('become token numbers between the special ones, cut and padded, with their mask', async () => {
    const path = folder({
      'tokenizer.json': tokenizer,
      'a.tsv': 'label\ttext\npos\tA good film.\nneg\tBad\npos\tgood films a a a a\n',
    })
    const set = await openDataSet(path)
    expect(set).toMatchObject({
      kind: 'tokens',
      classes: ['neg', 'pos'],
      tokens: { before: [2], after: [3], pad: 0, vocabulary: 10 },
    })
    const batch = await whole(set, { length: 6 })
    expect(batch.inputs.map(({ name }) => name)).toEqual(['input_ids', 'attention_mask', 'token_type_ids'])
    expect(Array.from(batch.inputs[0]!.values)).toEqual([2, 4, 5, 7, 9, 3, 2, 6, 3, 0, 0, 0, 2, 5, 7, 8, 4, 3])
    expect(Array.from(batch.inputs[1]!.values)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    expect(Array.from(batch.label!)).toEqual([1, 0, 1])
  })

  it('lie in lines, in columns without names, or in a folder for each class', async () => {
    const lines = await openDataSet(folder({ 'tokenizer.json': tokenizer, 'train.txt': 'good\nbad\n', 'test.txt': 'film\n' }))
    expect(lines).toMatchObject({ length: 3, labelled: false, splits: { train: [0, 2], test: [2, 3] } })
    const columns = await openDataSet(folder({ 'tokenizer.json': tokenizer, 'a.tsv': 'a good film\tx\na bad film\ty\n' }))
    expect(columns).toMatchObject({ classes: ['x', 'y'], warnings: ['column 2 is the class, column 1 the text'] })
    const folders = await openDataSet(folder({ 'tokenizer.json': tokenizer, 'pos/1.txt': 'good', 'neg/1.txt': 'bad' }))
    expect(folders).toMatchObject({ classes: ['neg', 'pos'], length: 2 })
  })

  it('without a tokenizer, or with a broken one, are refused in one line', async () => {
    await expect(openDataSet(file('a.txt', 'good\n'))).rejects.toThrow('expected a tokenizer.json beside the texts, found none')
    await expect(openDataSet(folder({ 'tokenizer.json': '{', 'a.txt': 'good\n' }))).rejects.toThrow(/tokenizer cannot be read/)
    await expect(openDataSet(`${file('a.txt', 'good\n')}?tokenizer=/nowhere.json`)).rejects.toThrow(/no file/)
  })

  it('of another tokenizer than the model was trained with are refused', async () => {
    const set = await openDataSet(folder({ 'tokenizer.json': tokenizer, 'a.txt': 'good\nbad\n' }))
    const preprocess = { ...(await completePreprocess(set, Int32Array.of(0, 1)))!, tokenizer: '00' }
    expect(() => batchInputs(set, preprocess as never, 1)).toThrow(/another tokenizer/)
  })
})

describe('masks', () => {
  const png = (pixels: number[], channels: 1 | 3 = 1) =>
    sharp(Uint8Array.from(pixels), { raw: { width: 2, height: 2, channels } })
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .png()
      .toBuffer()
  const picture = png([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], 3)

  it('lie beside their pictures; 255 is no class', async () => {
    const set = await openDataSet(
      folder({
        'train/images/a.png': await picture,
        'train/masks/a.png': await png([0, 1, 2, 255]),
        'test/images/b.png': await picture,
        'test/masks/b.png': await png([2, 2, 2, 2]),
        'classes.txt': 'sky\nroad\ncar\n',
      }),
    )
    expect(set).toMatchObject({ format: 'segmentation', classes: ['sky', 'road', 'car'], splits: { train: [0, 1], test: [1, 2] } })
    const box = (height: number, width: number) => ({ top: 0, left: 0, height, width })
    expect(Array.from(await (set.target as MapTarget).read(Int32Array.of(0), [2, 2], box))).toEqual([0, 1, 2, -1])
  })

  it('of 0 and 255 alone are binary', async () => {
    const set = await openDataSet(folder({ 'images/a.png': await picture, 'masks/a_mask.png': await png([0, 255, 255, 0]) }))
    expect(set.classes).toEqual(['background', 'object'])
    const box = (height: number, width: number) => ({ top: 0, left: 0, height, width })
    expect(Array.from(await (set.target as MapTarget).read(Int32Array.of(0), [2, 2], box))).toEqual([0, 1, 1, 0])
  })

  it('that are missing or coloured are refused by name', async () => {
    await expect(openDataSet(folder({ 'images/a.png': await picture, 'masks/b.png': await png([0, 1, 1, 0]) }))).rejects.toThrow(
      'there is no mask for a.png',
    )
    await expect(openDataSet(folder({ 'images/a.png': await picture, 'masks/a.png': await picture }))).rejects.toThrow(
      /found the colour/,
    )
  })
})
