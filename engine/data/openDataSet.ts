import { DataError, OptionError } from '../errors.ts'
import { completePreprocess, inputsOf } from './front.ts'
import { openedAs } from './origin.ts'
import { lookAt, type Reader, type Source } from './reader.ts'
import { readers } from './readers/list.gen.ts'
import { makeSplits } from './splits.ts'
import type { DataSet, DataSetSummary, OpenOptions } from './types.ts'

/**
 * Opens a data set: a file, a folder, or `builtin:NAME?option=value`. The format is recognised from what is there.
 * @throws DataError when nothing is there, the format is unknown or the content is broken; OptionError for a wrong built-in option.
 */
export async function openDataSet(spec: string, options: OpenOptions = {}): Promise<DataSet> {
  const source = await lookAt(spec)
  for (const reader of readers) {
    if (await reader.recognises(source)) {
      checkOptions(source, reader)
      const given = { labels: options.labels ?? 'on', corrupt: options.corrupt ?? 'error' } as const
      return openedAs(await reader.open(source, given), { spec, options: given })
    }
  }
  const found = source.entries ? (source.entries.length === 0 ? 'an empty folder' : 'a folder without any of them') : 'another file'
  throw new DataError(`expected one of: ${readers.map((r) => r.title).join('; ')}; found ${found}`, {
    where: spec,
    hint: 'engine/data/readers has one file for each format',
  })
}

function checkOptions({ spec, options }: Source, reader: Reader): void {
  const known = Object.keys(reader.options ?? {})
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown !== undefined) {
    const expected = known.length ? `expected one of ${known.join(', ')}` : 'it takes none'
    throw new OptionError(`'${unknown}' is no option of ${reader.title}: ${expected}`, { where: `data: ${spec}` })
  }
}

/** What a path holds, as `data inspect` shows it. Throws as `openDataSet` does. */
export async function inspectDataSet(spec: string, options: OpenOptions = {}): Promise<DataSetSummary> {
  const set = await openDataSet(spec, options)
  const splits = Object.entries(set.splits ?? {}) as [string, [number, number]][]
  const preprocess = await completePreprocess(set, makeSplits(set, { seed: 0 }).train)
  return {
    format: set.format,
    samples: set.length,
    classes: [...(set.classes ?? [])],
    labelled: set.labelled,
    kind: set.kind,
    sample: { shape: [...set.sample.shape], dtype: set.sample.dtype },
    target: set.target?.kind ?? (set.labelled ? 'class' : 'none'),
    ...(set.target?.kind === 'values' ? { targetNames: [...set.target.names] } : {}),
    ...(preprocess ? { preprocess: { ...preprocess } } : {}),
    ...(set.kind === 'image' ? {} : { inputs: inputsOf(set, preprocess).map(({ name, shape }) => ({ name, shape: [...shape] })) }),
    splits: Object.fromEntries(splits.map(([name, [start, end]]) => [name, end - start])),
    warnings: [...set.warnings],
  }
}
