import { rmSync } from 'node:fs'
import { OptionError } from '../../errors.ts'
import { cacheFolder, sizeUnder, spareCheckpoints } from './diskPlaces.ts'
import { handler } from './handler.ts'

export default handler<'disk.clean'>(({ cache, checkpoints }, { store }) => {
  if (!cache && !checkpoints)
    throw new OptionError('nothing is named that could be deleted', { where: 'cache', hint: 'name --cache, --checkpoints or both' })
  // A run that trains reads the cache as it goes.
  if (cache && store.listRuns({ status: 'running' }).length > 0)
    throw new OptionError('a run is going and may read the cache', { where: 'cache', hint: 'wait for it, or pause it' })
  const paths = [...(cache ? [cacheFolder(store)] : []), ...(checkpoints ? spareCheckpoints(store) : [])]
  let freedBytes = 0
  for (const path of paths) {
    freedBytes += sizeUnder(path)
    rmSync(path, { recursive: true, force: true })
  }
  return { freedBytes }
})
