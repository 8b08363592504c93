export { readModel, readModelSync, decodeModel, type ReadOptions } from './read.ts'
export { encodeModel, writeModel, type WriteOptions } from './write.ts'
export { upgradeOpset, WORKING_OPSET, type NotUpgraded } from './upgrade.ts'
