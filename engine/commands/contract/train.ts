import { z } from 'zod'
import { command } from './command.ts'
import { trainingEvents } from './events.ts'
import { notBoth, pathField, trainingOptions } from './options.ts'
import { TrainingResult } from './results.ts'

export const train = command({
  help: 'Train a model with labels, to make a teacher or a baseline',
  runsIn: 'engine',
  input: z
    .strictObject({
      data: pathField('Data set: file, folder or builtin:NAME'),
      student: pathField('Model to train: a .onnx file, template:NAME or width:X'),
      ...trainingOptions,
    })
    .refine(...notBoth),
  output: TrainingResult,
  events: trainingEvents,
})
