import { handler } from './handler.ts'

export default handler<'library.remove'>(({ kind, path }, { store }) => ({ removed: store.removeFromLibrary(kind, path) }))
