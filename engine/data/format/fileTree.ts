/** Which files of one kind (images, sounds, texts) a folder holds, in which class and part. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DataError } from '../../errors.ts'
import type { OwnSplits } from '../types.ts'

const PART_NAMES = { train: /^train(ing)?$/i, validation: /^val(id(ation)?)?$/i, test: /^test(ing)?$/i } as const
/** Folders nested deeper are not followed, which also ends loops of links. */
const MAX_DEPTH = 8

type Part = keyof typeof PART_NAMES

export interface FileKind {
  /** Whether a file name is of this kind. */
  matches(name: string): boolean
  /** In messages: `images`. */
  plural: string
}

export interface FileTree {
  /** Paths relative to the root, training part first. */
  files: string[]
  /** Class name of each file; absent for a flat folder. */
  classOf?: string[]
  splits?: OwnSplits
  warnings: string[]
}

interface Listing {
  folders: string[]
  files: string[]
}

/** Sorted by code unit, so that every machine sees the same order; links are followed, hidden names are not. */
async function list(folder: string, kind: FileKind): Promise<Listing> {
  const folders: string[] = []
  const files: string[] = []
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.name.startsWith('.') || entry.name === '__MACOSX') continue
    const info = entry.isSymbolicLink() ? await stat(join(folder, entry.name)).catch(() => undefined) : entry
    if (info?.isDirectory()) folders.push(entry.name)
    else if (info?.isFile() && kind.matches(entry.name)) files.push(entry.name)
  }
  return { folders: folders.sort(), files: files.sort() }
}

/** True when a file of the kind lies in the folder or at most three folders below it. */
export async function holdsFiles(folder: string, kind: FileKind, depth = 3): Promise<boolean> {
  const { folders, files } = await list(folder, kind)
  if (files.length > 0) return true
  if (depth === 0) return false
  for (const name of folders) if (await holdsFiles(join(folder, name), kind, depth - 1)) return true
  return false
}

async function filesBelow(root: string, path: string, kind: FileKind, depth = 0): Promise<string[]> {
  if (depth > MAX_DEPTH) return []
  const { folders, files } = await list(join(root, path), kind)
  const found = files.map((name) => join(path, name))
  for (const name of folders) found.push(...(await filesBelow(root, join(path, name), kind, depth + 1)))
  return found
}

/**
 * A folder a class; or files alone, unlabelled; each possibly below `train`, `val` and `test`, and all possibly one folder down.
 * Throws DataError for files beside class folders and for a class without files.
 */
export async function fileTree(root: string, kind: FileKind): Promise<FileTree> {
  const top = await list(root, kind)
  const parts = partsOf(top.folders)
  if (!parts) {
    const inner = top.files.length === 0 && top.folders.length === 1 ? top.folders[0]! : undefined
    // A single folder of folders is the archive's own wrapper, not a class.
    if (inner !== undefined && (await list(join(root, inner), kind)).folders.length > 0) {
      const tree = await fileTree(join(root, inner), kind)
      return { ...tree, files: tree.files.map((file) => join(inner, file)) }
    }
    return onePart(root, '', kind)
  }
  const warnings: string[] = []
  const trees = await Promise.all(parts.map(([, folder]) => onePart(root, folder, kind)))
  const files = trees.flatMap((tree) => tree.files)
  const labelled = trees.every((tree) => tree.classOf)
  let at = 0
  const ranges = Object.fromEntries(parts.map(([part], i) => [part, [at, (at += trees[i]!.files.length)]]))
  const { train, validation, test } = ranges as Partial<OwnSplits>
  if (!test) warnings.push("there is no 'test' folder: the validation folder is what is judged by")
  return {
    files,
    ...(labelled ? { classOf: trees.flatMap((tree) => tree.classOf!) } : {}),
    splits: { train: train!, test: (test ?? validation)!, ...(test && validation ? { validation } : {}) },
    warnings,
  }
}

/** The part folders in order, when there is one to train on and one to judge by. */
function partsOf(folders: readonly string[]): [Part, string][] | undefined {
  const found = (['train', 'validation', 'test'] as const).flatMap((part): [Part, string][] => {
    const name = folders.find((folder) => PART_NAMES[part].test(folder))
    return name === undefined ? [] : [[part, name]]
  })
  return found.length >= 2 && found[0]![0] === 'train' ? found : undefined
}

async function onePart(root: string, path: string, kind: FileKind): Promise<FileTree> {
  const where = join(root, path)
  const { folders, files: alone } = await list(where, kind)
  if (folders.length === 0) {
    if (alone.length === 0) throw new DataError(`expected ${kind.plural} or one folder for each class, found neither`, { where })
    return { files: alone.map((name) => join(path, name)), warnings: [] }
  }
  if (alone.length > 0) {
    const found = `${alone.length} ${kind.plural} beside ${folders.length} folders`
    throw new DataError(`expected either ${kind.plural} or class folders, found ${found}`, {
      where,
      hint: `move the ${kind.plural} into class folders, or the folders away`,
    })
  }
  const files: string[] = []
  const classOf: string[] = []
  for (const folder of folders) {
    const found = await filesBelow(root, join(path, folder), kind)
    if (found.length === 0) {
      throw new DataError(`the class folder has no ${kind.plural}`, {
        where: join(where, folder),
        hint: `remove it or add ${kind.plural}`,
      })
    }
    for (const file of found) {
      files.push(file)
      classOf.push(folder)
    }
  }
  return { files, classOf, warnings: [] }
}
