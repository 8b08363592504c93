/** The student templates. Generated from the files of this folder by `npm run gen`; do not edit. */
import bertMini from './bert-mini.ts'
import dsCnn from './ds-cnn.ts'
import encoderDecoder from './encoder-decoder.ts'
import gcn from './gcn.ts'
import lstmKws from './lstm-kws.ts'
import mlp from './mlp.ts'
import mobilenetV2 from './mobilenet-v2.ts'
import plainCnn from './plain-cnn.ts'
import resnet from './resnet.ts'
import smallCnn from './small-cnn.ts'
import unetSmall from './unet-small.ts'
import vitTiny from './vit-tiny.ts'
import type { Template } from '../template.ts'

export const templates: readonly Template[] = [
  bertMini,
  dsCnn,
  encoderDecoder,
  gcn,
  lstmKws,
  mlp,
  mobilenetV2,
  plainCnn,
  resnet,
  smallCnn,
  unetSmall,
  vitTiny,
]
