import { existsSync } from 'node:fs'
import { handler } from './handler.ts'
import { hasScheme } from './recipeFile.ts'
import type { LibraryEntry } from '../../runs/index.ts'

/** An entry as lists show it. What a scheme names (`builtin:shapes`) is always there. */
export const entryView = (entry: LibraryEntry) => ({ ...entry, present: hasScheme(entry.path) || existsSync(entry.path) })

export default handler<'library.list'>(({ kind }, { store }) => ({ entries: store.libraryEntries(kind).map(entryView) }))
