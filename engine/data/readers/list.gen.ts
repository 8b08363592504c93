/** The data readers. Generated from the files of this folder by `npm run gen`; do not edit. */
import builtin from './builtin.ts'
import cifar from './cifar.ts'
import csv from './csv.ts'
import graph from './graph.ts'
import idx from './idx.ts'
import imageFolder from './imageFolder.ts'
import numpy from './numpy.ts'
import segmentation from './segmentation.ts'
import text from './text.ts'
import wavFolder from './wavFolder.ts'
import type { Reader } from '../reader.ts'

export const readers: readonly Reader[] = [builtin, cifar, csv, graph, idx, imageFolder, numpy, segmentation, text, wavFolder]
