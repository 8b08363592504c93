import { open, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { decodeWav, wavHeader, type WavHeader } from '../audio/wav.ts'
import { fileTree, holdsFiles, type FileKind, type FileTree } from '../format/fileTree.ts'
import { hashFiles, mapAtOnce, numbered } from '../format/listing.ts'
import { DataError } from '../../errors.ts'
import { defineReader } from '../reader.ts'
import type { DataSet } from '../types.ts'

const SOUNDS: FileKind = { matches: (name) => /\.wave?$/i.test(name), plural: 'WAV files' }

/** `label_speaker_take.wav`: takes 0 to 4 of each speaker are the test part, as the Free Spoken Digit Dataset defines it. */
const NAMED = /^([^_]+)_([^_]+)_(\d+)\.wave?$/i
const TEST_TAKES = 5

/** A header is looked for in this much of a file; longer ones (with pictures in them, say) are read whole. */
const HEAD = 4096

/** A folder for each class, files named after their class, or recordings alone. */
export default defineReader({
  id: 'wav-folder',
  title: 'a folder of WAV files, one folder for each class, named label_speaker_take.wav, or flat',
  recognises: ({ spec, entries }) => entries !== undefined && holdsFiles(spec, SOUNDS),

  async open({ spec: root, name }, options): Promise<DataSet> {
    let tree = labelledByName(await fileTree(root, SOUNDS))
    const headers = await mapAtOnce(tree.files, (file) =>
      headerOf(join(root, file)).catch((error: unknown) => {
        if (options.corrupt === 'skip' && error instanceof DataError) return undefined
        throw error
      }),
    )
    if (headers.includes(undefined)) tree = without(tree, headers, root)
    const good = headers.filter((header) => header !== undefined)
    const { files, splits } = tree
    const named = options.labels === 'on' && tree.classOf ? numbered(tree.classOf) : undefined
    const rate = mostCommon(good.map((header) => header.rate))
    const lengths = new Set(good.map((header) => (header.end - header.start) / header.block))
    const others = good.filter((header) => header.rate !== rate).length
    return {
      name,
      format: 'wav-folder',
      kind: 'audio',
      length: files.length,
      sample: { shape: [lengths.size === 1 ? [...lengths][0]! : 0], dtype: 'float32' },
      rate,
      labelled: named !== undefined,
      ...named,
      ...(splits ? { splits } : {}),
      warnings: [
        ...tree.warnings,
        ...(others ? [`${others} recordings have another rate than ${rate} Hz: they are resampled`] : []),
      ],
      contentHash: () => hashFiles(root, files),
      async read(indices) {
        const recordings = await mapAtOnce([...indices], async (index) => {
          const path = join(root, files[index]!)
          return decodeWav(await readFile(path), path)
        })
        const labels = named && { labels: Int32Array.from(indices, (index) => named.labels[index]!) }
        return { kind: 'audio', count: recordings.length, recordings, ...labels }
      },
    }
  },
})

/** Classes and parts from file names, where there are no class folders and every name says them. */
function labelledByName(tree: FileTree): FileTree {
  const matches = tree.files.map((file) => NAMED.exec(basename(file)))
  // A single folder around all files is no class.
  if ((tree.classOf && new Set(tree.classOf).size > 1) || tree.splits || matches.some((match) => !match)) return tree
  const entries = tree.files.map((file, i) => ({ file, label: matches[i]![1]!, test: Number(matches[i]![3]) < TEST_TAKES }))
  const train = entries.filter((entry) => !entry.test)
  const test = entries.filter((entry) => entry.test)
  const ordered = [...train, ...test]
  const parts = train.length > 0 && test.length > 0
  return {
    files: ordered.map((entry) => entry.file),
    classOf: ordered.map((entry) => entry.label),
    ...(parts ? { splits: { train: [0, train.length], test: [train.length, ordered.length] } } : {}),
    warnings: [...tree.warnings, `classes come from the file names${parts ? ', takes 0 to 4 are the test part' : ''}`],
  }
}

async function headerOf(path: string): Promise<WavHeader> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    const { buffer, bytesRead } = await file.read(new Uint8Array(HEAD), 0, HEAD, 0)
    const head = buffer.subarray(0, bytesRead)
    if (size === 0) throw new DataError('expected a WAV file, found an empty one', { where: path })
    try {
      return wavHeader(head, path, size)
    } catch (error) {
      if (bytesRead === size) throw error
    }
    return wavHeader(await readFile(path), path)
  } finally {
    await file.close()
  }
}

function without(tree: FileTree, headers: readonly unknown[], root: string): FileTree {
  const keep = (_: unknown, i: number) => headers[i] !== undefined
  const bad = tree.files.filter((_, i) => headers[i] === undefined)
  if (bad.length === tree.files.length) throw new DataError(`none of the ${bad.length} WAV files can be read`, { where: root })
  const to = (at: number) => headers.slice(0, at).filter((header) => header !== undefined).length
  const { splits } = tree
  return {
    files: tree.files.filter(keep),
    ...(tree.classOf ? { classOf: tree.classOf.filter(keep) } : {}),
    ...(splits ? { splits: { train: [0, to(splits.train[1])], test: [to(splits.test[0]), to(splits.test[1])] } } : {}),
    warnings: [...tree.warnings, `${bad.length} unreadable WAV files were skipped: ${bad.slice(0, 3).join(', ')}`],
  }
}

function mostCommon(values: readonly number[]): number {
  const counts = new Map<number, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0])[0]![0]
}
