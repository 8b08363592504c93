import { batchInputs } from '../../data/index.ts'
import { OptionError } from '../../errors.ts'
import { prepareModel } from '../../inspect/index.ts'
import { loadStudent } from '../../students/index.ts'
import { handler } from './handler.ts'
import { cost, outputsOf, studentContext, tapped, widthOf } from './training.ts'
import { openData, preprocessing } from './trainingParts.ts'

/** What `distill` would build, as far as its costs go: the same data, the same preprocessing, the same student. */
export default handler<'plan.cost'>(async (input) => {
  const { dataset, splits, labelled } = await openData(input)
  const teacher = input.teacher === undefined ? undefined : (await prepareModel(input.teacher)).model
  const chosen = await preprocessing(input as Parameters<typeof preprocessing>[0], dataset, splits.train, labelled)
  const inputs = batchInputs(dataset, chosen.preprocess, 1)
  const classes = teacher ? widthOf(tapped(teacher), inputs) : outputsOf(dataset)
  if (classes < (dataset.target?.kind === 'values' ? 1 : 2))
    throw new OptionError('without a teacher the data must have labels', {
      where: 'data',
      hint: 'choose a teacher, or labelled data',
    })
  const student = await loadStudent(input.student, studentContext(dataset, splits.train, inputs, classes, input.seed, teacher))
  return {
    ...(teacher ? { teacher: cost(teacher, inputs) } : {}),
    student: cost(student, inputs),
    shape: inputs[0]!.shape.slice(1),
    classes,
    samples: { train: splits.train.length, validation: splits.validation.length, test: splits.test.length },
    preprocess: chosen.text,
  }
})
