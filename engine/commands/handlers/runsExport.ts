import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { OptionError } from '../../errors.ts'
import { handler } from './handler.ts'
import { detail } from './runView.ts'

export default handler<'runs.export'>(({ id, out, overwrite }, { store }) => {
  // A diverged loss is NaN, which JSON lacks: it is written as null.
  const curves = store.metrics(id)
  const document = { ...detail(store, store.getRun(id)), curves, events: store.events(id) }
  if (out === undefined) return { ...document, curves: curves.map((point) => ({ ...point, value: finite(point.value) })) }
  if (existsSync(out) && !overwrite) throw new OptionError(`${out} exists`, { where: 'out', hint: '--overwrite replaces it' })
  const text = `${JSON.stringify(document, null, 2)}\n`
  mkdirSync(dirname(out), { recursive: true })
  writeFileSync(out, text)
  return { run: id, file: out, bytes: Buffer.byteLength(text) }
})

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)
