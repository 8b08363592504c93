/** The weight roundings. Generated from the files of this folder by `npm run gen`; do not edit. */
import adaround from './adaround.ts'
import awq from './awq.ts'
import brecq from './brecq.ts'
import gptq from './gptq.ts'
import hqq from './hqq.ts'
import rtn from './rtn.ts'
import type { Rounder } from '../rounder.ts'

export const rounders: readonly Rounder[] = [adaround, awq, brecq, gptq, hqq, rtn]
