export { readModel, readModelSync, decodeModel, type ReadOptions } from './read.ts'
export { encodeModel, writeModel, type WriteOptions } from './write.ts'
