import { dirname, join } from 'node:path'
import { cacheFolder, sizeUnder, spareCheckpoints } from './diskPlaces.ts'
import { handler } from './handler.ts'

export default handler<'disk.usage'>((_, { store }) => ({
  store: store.path,
  storeBytes: sizeUnder(store.path) + sizeUnder(`${store.path}-wal`) + sizeUnder(`${store.path}-shm`),
  runs: store.listRuns().length,
  runBytes: sizeUnder(join(dirname(store.path), 'runs')),
  spareCheckpointBytes: spareCheckpoints(store).reduce((sum, path) => sum + sizeUnder(path), 0),
  cacheBytes: sizeUnder(cacheFolder(store)),
}))
