import type Database from 'better-sqlite3'
import { newId } from '../id.ts'
import type { Artifact, Store } from '../types.ts'

type Row = Omit<Artifact, 'parents'>

/** Files that runs made, and what they were made from. */
export function artifactTables(db: Database.Database): Pick<Store, 'addArtifact' | 'artifacts' | 'lineage'> {
  const put = db.prepare(`
    INSERT INTO artifacts (id, run, kind, path, bytes, sha256, created)
    VALUES (@id, @run, @kind, @path, @bytes, @sha256, @created)`)
  const putParent = db.prepare('INSERT OR IGNORE INTO artifactParents (artifact, parent) VALUES (?, ?)')
  const parents = db.prepare<[string], string>('SELECT parent FROM artifactParents WHERE artifact = ? ORDER BY parent').pluck()
  const ofRun = db.prepare<[string], Row>('SELECT * FROM artifacts WHERE run = ? ORDER BY id')
  // UNION drops repeats, so a graph with shared ancestors (or a cycle, in a damaged store) ends.
  const ancestors = db.prepare<[string], Row>(`
    WITH RECURSIVE line (id, depth) AS (
      VALUES (?, 0)
      UNION
      SELECT parent, depth + 1 FROM artifactParents JOIN line ON artifact = line.id WHERE depth < 1000
    )
    SELECT artifacts.* FROM artifacts JOIN (SELECT id, min(depth) AS depth FROM line GROUP BY id) AS line USING (id)
    ORDER BY depth, artifacts.id`)
  const whole = (row: Row): Artifact => ({ ...row, parents: parents.all(row.id) })

  return {
    addArtifact: db.transaction((artifact: Omit<Artifact, 'id' | 'created'>) => {
      const row = { ...artifact, id: newId(), created: new Date().toISOString() }
      put.run(row)
      for (const parent of artifact.parents) putParent.run(row.id, parent)
      return row
    }).immediate,
    artifacts: (run) => ofRun.all(run).map(whole),
    lineage: (artifact) => ancestors.all(artifact).map(whole),
  }
}
