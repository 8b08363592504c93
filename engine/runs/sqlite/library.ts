import type Database from 'better-sqlite3'
import type { LibraryEntry, Store } from '../types.ts'

interface Row {
  kind: LibraryEntry['kind']
  path: string
  added: string
  facts: string
}

const toEntry = ({ facts, ...row }: Row): LibraryEntry => ({ ...row, facts: JSON.parse(facts) as LibraryEntry['facts'] })

/** The `library` table: paths that a person brought, and what was seen there. */
export function libraryTable(db: Database.Database): Pick<Store, 'libraryEntries' | 'addToLibrary' | 'removeFromLibrary'> {
  const all = db.prepare<[{ kind: string | null }], Row>(
    'SELECT kind, path, added, facts FROM library WHERE @kind IS NULL OR kind = @kind ORDER BY added DESC, path',
  )
  const one = db.prepare<[string, string], Row>('SELECT kind, path, added, facts FROM library WHERE kind = ? AND path = ?')
  // Facts of an entry that is known already are kept unless they are given again.
  const put = db.prepare(`
    INSERT INTO library (kind, path, added, facts) VALUES (@kind, @path, @added, @facts)
    ON CONFLICT (kind, path) DO UPDATE SET facts = json_patch(facts, excluded.facts)`)
  const remove = db.prepare('DELETE FROM library WHERE kind = ? AND path = ?')
  return {
    libraryEntries: (kind) => all.all({ kind: kind ?? null }).map(toEntry),
    addToLibrary(kind, path, facts) {
      put.run({ kind, path, added: new Date().toISOString(), facts: JSON.stringify(facts) })
      return toEntry(one.get(kind, path)!)
    },
    removeFromLibrary: (kind, path) => remove.run(kind, path).changes > 0,
  }
}
