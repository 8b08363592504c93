/** The student templates. Generated from the files of this folder by `npm run gen`; do not edit. */
import dsCnn from './ds-cnn.ts'
import gcn from './gcn.ts'
import mlp from './mlp.ts'
import mobilenetV2 from './mobilenet-v2.ts'
import plainCnn from './plain-cnn.ts'
import resnet from './resnet.ts'
import smallCnn from './small-cnn.ts'
import type { Template } from '../template.ts'

export const templates: readonly Template[] = [dsCnn, gcn, mlp, mobilenetV2, plainCnn, resnet, smallCnn]
