/** The weight roundings. Generated from the files of this folder by `npm run gen`; do not edit. */
import awq from './awq.ts'
import gptq from './gptq.ts'
import hqq from './hqq.ts'
import rtn from './rtn.ts'
import type { Rounder } from '../rounder.ts'

export const rounders: readonly Rounder[] = [awq, gptq, hqq, rtn]
