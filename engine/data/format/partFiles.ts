import { join } from 'node:path'
import { DataError } from '../../errors.ts'
import type { Source } from '../reader.ts'
import type { OwnSplits } from '../types.ts'

const PARTS = { train: /^train(ing)?$/i, validation: /^(val(id(ation)?)?|dev)$/i, test: /^test(ing)?$/i } as const

export interface PartFiles {
  /** In the order train, validation, test. */
  files: string[]
  /** Parts of a set made of the files' samples; undefined where it has none of its own. */
  splits(counts: readonly number[]): OwnSplits | undefined
}

/**
 * The files that a set is made of: the one named, or those of a folder: `train`, `val` and `test`, or a single one.
 * Throws DataError for a folder with several others.
 */
export function partFiles({ spec, entries }: Source, extension: RegExp): PartFiles {
  if (!entries) return { files: [spec], splits: () => undefined }
  const own = entries.filter((entry) => extension.test(entry))
  const named = (['train', 'validation', 'test'] as const).flatMap((part) => {
    const file = own.find((entry) => PARTS[part].test(entry.replace(extension, '')))
    return file === undefined ? [] : [{ part, file }]
  })
  if (named.length < 2 || named[0]!.part !== 'train') {
    if (own.length === 1) return { files: [join(spec, own[0]!)], splits: () => undefined }
    throw new DataError(`expected one file, or one each named train and test, found ${own.join(', ') || 'none'}`, {
      where: spec,
      hint: 'name one file instead of the folder',
    })
  }
  return {
    files: named.map(({ file }) => join(spec, file)),
    splits(counts) {
      let at = 0
      const ranges = Object.fromEntries(named.map(({ part }, i) => [part, [at, (at += counts[i]!)]])) as Partial<OwnSplits>
      const { train, validation, test } = ranges
      return { train: train!, test: (test ?? validation)!, ...(test && validation ? { validation } : {}) }
    },
  }
}

/** Whether a folder has files of an extension. */
export const holdsParts = ({ entries }: Source, extension: RegExp): boolean =>
  entries?.some((entry) => extension.test(entry)) ?? false
