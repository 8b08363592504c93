import { z } from 'zod'
import { command } from './command.ts'
import { trainingEvents } from './events.ts'
import { methodOptions, notBoth, modelField, pathField, trainingOptions } from './options.ts'
import { ModelCost, TrainingResult } from './results.ts'

export const distill = command({
  help: 'Train a student to do what a teacher does',
  runsIn: 'engine',
  input: z
    .strictObject({
      teacher: pathField('Teacher model (.onnx)'),
      data: pathField('Data set: file, folder or builtin:NAME'),
      student: modelField('Student: a .onnx file, the name of a template, width:X or depth:X'),
      ...methodOptions,
      pairs: z.array(z.string()).describe('Layer pairs for feature losses, STUDENT=TEACHER; automatic when absent').default([]),
      ...trainingOptions,
    })
    .refine(...notBoth),
  output: TrainingResult.extend({ teacher: ModelCost }),
  events: trainingEvents,
})
