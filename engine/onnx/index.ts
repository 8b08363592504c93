export { readModel, readModelSync, decodeModel, type ReadOptions } from './read.ts'
export { encodeModel } from './write.ts'
