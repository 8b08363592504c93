import { writeFileSync } from 'node:fs'
import { makeNode, type Node } from '../../engine/ir/index.ts'
import { encodeModel } from '../../engine/onnx/index.ts'
import { modelOf, single, value } from '../onnxModels.ts'

/** Write a model of one node, and return its path. */
export function tinyModel(path: string): string {
  writeFileSync(path, encodeModel(single('Relu', [1, 4], {}, 17)))
  return path
}

/** Branches of a block, and nodes of a branch. */
const [WIDE, DEEP] = [6, 2]

/** Write a model of blocks of parallel branches, one below the other, with a shortcut around each; return its path. */
export function branchedModel(path: string, length: number): string {
  const nodes: Node[] = []
  const blocks = Math.floor(length / (WIDE * DEEP + 1))
  for (let block = 0; block < blocks; block++) {
    const from = block === 0 ? 'x' : `b${block - 1}`
    const ends = Array.from({ length: WIDE }, (_, branch) => {
      let value = from
      for (let i = 0; i < DEEP; i++) {
        const next = `b${block}.${branch}.${i}`
        nodes.push(makeNode(i % 2 ? 'Sigmoid' : 'Relu', [value], [next]))
        value = next
      }
      return value
    })
    nodes.push(makeNode('Sum', [...ends, from], [`b${block}`]))
  }
  while (nodes.length < length - 1) nodes.push(makeNode('Relu', [nodes.at(-1)!.outputs[0]!], [`end${nodes.length}`]))
  nodes.push(makeNode('Relu', [nodes.at(-1)!.outputs[0]!], ['y']))
  writeFileSync(path, encodeModel(modelOf(nodes, { inputs: [value('x', [1, 4])], outputs: ['y'] }, 17)))
  return path
}
