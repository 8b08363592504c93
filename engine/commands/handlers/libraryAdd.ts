import { existsSync } from 'node:fs'
import { DataError, ModelError } from '../../errors.ts'
import { handler } from './handler.ts'
import { entryView } from './libraryList.ts'
import { hasScheme } from './recipeFile.ts'

export default handler<'library.add'>(({ kind, path, facts }, { store }) => {
  if (!hasScheme(path) && !existsSync(path))
    throw new (kind === 'model' ? ModelError : DataError)(`${path}: no such file or folder`, { where: path })
  return entryView(store.addToLibrary(kind, path, facts))
})
