import { writeFileSync } from 'node:fs'
import { encodeModel } from '../../engine/onnx/index.ts'
import { single } from '../onnxModels.ts'

/** Write a model of one node, and return its path. */
export function tinyModel(path: string): string {
  writeFileSync(path, encodeModel(single('Relu', [1, 4], {}, 17)))
  return path
}
