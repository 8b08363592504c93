import { buildApp } from '../../scripts/build.ts'

/** Tests look at what is built: build what is older than its sources. */
export const setup = async (): Promise<void> => void (await buildApp({ ifStale: true, quiet: true }))
