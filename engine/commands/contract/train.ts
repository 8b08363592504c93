import { z } from 'zod'
import { command } from './command.ts'
import { trainingEvents } from './events.ts'
import { notBoth, modelField, pathField, trainingOptions } from './options.ts'
import { TrainingResult } from './results.ts'

export const train = command({
  help: 'Train a model with labels, to make a teacher or a baseline',
  runsIn: 'engine',
  input: z
    .strictObject({
      data: pathField('Data set: file, folder or builtin:NAME'),
      student: modelField('Model to train: a .onnx file, the name of a template or width:X'),
      ...trainingOptions,
    })
    .refine(...notBoth),
  output: TrainingResult,
  events: trainingEvents,
})
