export { checkNodes, type NodeCheck } from './check.ts'
export { simulation } from './floats.ts'
