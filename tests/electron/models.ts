import { writeFileSync } from 'node:fs'
import { makeNode } from '../../engine/ir/index.ts'
import { encodeModel } from '../../engine/onnx/index.ts'
import { modelOf, single, value } from '../onnxModels.ts'

/** Write a model of one node, and return its path. */
export function tinyModel(path: string): string {
  writeFileSync(path, encodeModel(single('Relu', [1, 4], {}, 17)))
  return path
}

/** Write a model of a long chain with a shortcut at every fourth node, and return its path. */
export function chainModel(path: string, length: number): string {
  const nodes = Array.from({ length }, (_, i) => {
    const [before, far] = [i === 0 ? 'x' : `v${i - 1}`, i > 4 ? `v${i - 4}` : 'x']
    const outputs = [i === length - 1 ? 'y' : `v${i}`]
    return i % 4 === 3 ? makeNode('Add', [before, far], outputs) : makeNode('Relu', [before], outputs)
  })
  writeFileSync(path, encodeModel(modelOf(nodes, { inputs: [value('x', [1, 4])], outputs: ['y'] }, 17)))
  return path
}
