/**
 * Outputs of a frozen model over a data set, on disk, one float32 file an output. Used while views are fixed: the teacher then runs
 * once a sample and not once an epoch. A folder appears by rename when it is complete, so a crash leaves no half cache behind.
 */
import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { mkdir, mkdtemp, open, readFile, rename, rm, stat, writeFile, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { BugError, DataError } from '../errors.ts'
import { limitCaches, touch } from './cacheLimit.ts'

/** What the outputs depend on; any difference is another cache. */
export interface OutputCacheKey {
  /** Hash of the model file. */
  teacher: string
  /** `contentHash()` of the data set. */
  dataset: string
  preprocess: unknown
  /** Samples that are in the cache, by index in the data set. */
  indices: Int32Array
  /** Names of the outputs. */
  outputs: readonly string[]
}

const headerSchema = z.object({
  version: z.literal(1),
  samples: z.number().int(),
  outputs: z.array(z.object({ name: z.string(), dims: z.array(z.number().int()) })),
})
type Header = z.infer<typeof headerSchema>

export interface OutputCache {
  /** Output names and dims of one sample. */
  outputs: Header['outputs']
  /** Rows of an output for samples of the data set, [indices.length, ...dims]. Throws DataError for a sample that is not in it. */
  rows(output: string, indices: Int32Array): Float32Array
  close(): void
}

export interface OutputCacheWriter {
  /** Appends rows for the next samples, in the order of the key's indices: [n, ...dims] for each output. */
  add(rows: Readonly<Record<string, Float32Array>>): Promise<void>
  /** Makes the cache visible and opens it. Throws BugError when samples are missing. */
  commit(): Promise<OutputCache>
  /** Drops what was written. */
  abort(): Promise<void>
}

/** Files up to this size are read into memory at once. */
const IN_MEMORY = 256 * 2 ** 20
/** Caches together; those used longest ago go first. */
const ON_DISK = 8 * 2 ** 30
const HEADER = 'header.json'
const fileOf = (i: number): string => `${i}.f32`

function folderOf(root: string, key: OutputCacheKey): string {
  const indices = createHash('sha256').update(new Uint8Array(key.indices.buffer, key.indices.byteOffset, key.indices.byteLength))
  const text = JSON.stringify([key.teacher, key.dataset, key.preprocess, key.outputs, indices.digest('hex')])
  return join(root, createHash('sha256').update(text).digest('hex').slice(0, 32))
}

/** The cache for a key, or undefined when there is none or it is damaged. */
export async function findOutputCache(root: string, key: OutputCacheKey): Promise<OutputCache | undefined> {
  const folder = folderOf(root, key)
  const text = await readFile(join(folder, HEADER), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const header = headerSchema.safeParse(parsed(text)).data
  if (!header || header.samples !== key.indices.length) return undefined
  for (const [i, { dims }] of header.outputs.entries()) {
    const info = await stat(join(folder, fileOf(i))).catch(() => undefined)
    if (info?.size !== 4 * header.samples * sizeOf(dims)) return undefined
  }
  await touch(join(folder, HEADER))
  return opened(folder, header, key.indices)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const sizeOf = (dims: readonly number[]): number => dims.reduce((n, d) => n * d, 1)

function opened(folder: string, header: Header, indices: Int32Array): OutputCache {
  const position = new Map(Array.from(indices, (index, at) => [index, at] as const))
  const files = header.outputs.map(({ name, dims }, i) => {
    const size = sizeOf(dims)
    const file = openSync(join(folder, fileOf(i)), 'r')
    const all = 4 * size * header.samples <= IN_MEMORY ? new Float32Array(size * header.samples) : undefined
    if (all) readAt(file, all, 0)
    return { name, size, file, all }
  })
  return {
    outputs: header.outputs,
    rows(output, wanted) {
      const found = files.find((f) => f.name === output)
      if (!found) throw new BugError(`output '${output}' is not in the cache of ${files.map((f) => f.name).join(', ')}`)
      const { size, file, all } = found
      const out = new Float32Array(wanted.length * size)
      for (let i = 0; i < wanted.length; i++) {
        const at = position.get(wanted[i]!)
        if (at === undefined) throw new DataError(`sample ${wanted[i]} is not in the output cache`, { where: folder })
        if (all) out.set(all.subarray(at * size, (at + 1) * size), i * size)
        else readAt(file, out.subarray(i * size, (i + 1) * size), 4 * at * size)
      }
      return out
    },
    close() {
      for (const { file } of files) closeSync(file)
    },
  }
}

function readAt(file: number, into: Float32Array, start: number): void {
  const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength)
  for (let at = 0; at < bytes.length;) {
    const count = readSync(file, bytes, at, bytes.length - at, start + at)
    if (count === 0) throw new DataError('the output cache was cut off while it was in use', { hint: 'delete its folder' })
    at += count
  }
}

/** Starts a cache. `dims` gives each output's dims of one sample. */
export async function writeOutputCache(
  root: string,
  key: OutputCacheKey,
  dims: Readonly<Record<string, readonly number[]>>,
): Promise<OutputCacheWriter> {
  const folder = folderOf(root, key)
  await mkdir(root, { recursive: true })
  const draft = await mkdtemp(`${folder}.draft-`)
  const outputs = key.outputs.map((name) => ({ name, dims: [...(dims[name] ?? missing(name))] }))
  const files: FileHandle[] = []
  for (const i of outputs.keys()) files.push(await open(join(draft, fileOf(i)), 'wx'))
  let samples = 0
  const closeAll = () => Promise.all(files.splice(0).map((file) => file.close()))

  return {
    async add(rows) {
      const counts = outputs.map(({ name, dims: d }) => (rows[name] ?? missing(name)).length / sizeOf(d))
      if (counts.some((n) => n !== counts[0] || !Number.isInteger(n))) throw new BugError(`outputs hold ${counts.join(', ')} rows`)
      for (const [i, { name }] of outputs.entries()) {
        const values = rows[name]!
        await files[i]!.appendFile(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
      }
      samples += counts[0] ?? 0
    },
    async commit() {
      if (samples !== key.indices.length) throw new BugError(`expected ${key.indices.length} cached samples, found ${samples}`)
      for (const file of files) await file.sync()
      await closeAll()
      await writeFile(join(draft, HEADER), JSON.stringify({ version: 1, samples, outputs } satisfies Header), { flush: true })
      // A damaged cache of the same key would keep the rename from happening.
      const there = await findOutputCache(root, key)
      there?.close()
      if (!there) await rm(folder, { recursive: true, force: true })
      const failure: unknown = await rename(draft, folder).catch((cause: unknown) => cause)
      if (failure !== undefined) await rm(draft, { recursive: true, force: true })
      // When the rename failed because another process was faster, its cache has the same content.
      const cache = await findOutputCache(root, key)
      if (!cache) throw failure
      await limitCaches(root, HEADER, ON_DISK)
      return cache
    },
    async abort() {
      await closeAll()
      await rm(draft, { recursive: true, force: true })
    },
  }
}

function missing(name: string): never {
  throw new BugError(`output '${name}' was not given to the cache`)
}
