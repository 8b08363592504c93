import { describe, expect, it } from 'vitest'
import { type z } from 'zod'
import { BugError, DataError, OptionError } from '../../errors.ts'
import {
  commandNames,
  commands,
  fieldsOf,
  fromWire,
  fullRecipe,
  methodChoices,
  nearest,
  parseInput,
  Recipe,
  toWire,
} from './index.ts'

const recipe = { teacher: 't.onnx', data: 'd', student: 'template:mlp' }

const message = (schema: z.ZodType, input: unknown): string => {
  try {
    parseInput(schema, input)
  } catch (error) {
    expect(error).toBeInstanceOf(OptionError)
    return (error as Error).message
  }
  throw new Error('accepted')
}

describe('the table', () => {
  it.each(commandNames)('%s: strict input, known places, a sentence of help', (name) => {
    const command = commands[name]
    expect(command.help).toMatch(/^[A-Z][^\n]{10,110}[^.]$/)
    expect(command.input.safeParse({ surely: 'unknown' }).error?.issues.some((issue) => issue.code === 'unrecognized_keys')).toBe(
      true,
    )
    for (const place of command.positional) expect(Object.keys(command.input.shape)).toContain(place)
    if ('started' in command.events) expect(command.runsIn).toBe('engine')
  })

  it('lets results grow: unknown fields of an output stay', () => {
    const output = { methods: [{ key: 'k', title: 't', paper: 'p', family: 'f', status: 's', more: 1 }], more: 2 }
    expect(commands['methods.list'].output.parse(output)).toEqual(output)
  })

  it('knows the fields of a form', () => {
    const fields = Object.fromEntries(fieldsOf(commands.distill.input).map((field) => [field.name, field]))
    expect(fields['teacher']).toMatchObject({ kind: 'text', required: true, path: 'path' })
    expect(fields['method']).toMatchObject({ kind: 'list', item: 'text', required: true })
    expect(fields['option']).toMatchObject({ kind: 'map', required: false })
    expect(fields['optimizer']).toMatchObject({ values: ['sgd', 'adam', 'adamw', 'lion'], default: undefined })
    expect(fields['batch']).toMatchObject({ kind: 'number', default: 64 })
    expect(fields['overwrite']).toMatchObject({ kind: 'boolean', default: false })
  })
})

describe('Recipe', () => {
  it('fills in defaults and writes short forms out', () => {
    const full = fullRecipe(
      parseInput(Recipe, { ...recipe, methods: ['hinton-kd', { key: 'dot', options: { delta: 0.1 } }], train: { lr: 0.1 } }),
    )
    expect(full).toMatchObject({
      data: { path: 'd', split: 0.8, labels: 'on', preprocess: 'auto' },
      student: { from: 'template:mlp', weights: 'keep' },
      methods: [
        { key: 'hinton-kd', options: {} },
        { key: 'dot', options: { delta: 0.1 } },
      ],
      train: { lr: 0.1, batch: 64, accumulate: 1 },
      seed: 0,
    })
    expect(full.quantize).toBeUndefined()
  })

  it.each([
    [{ train: { lr: 'abc' } }, "train.lr: expected a positive number, found 'abc'"],
    [{ train: { optimizer: 'sgdm' } }, "train.optimizer: expected one of sgd, adam, adamw, lion, found 'sgdm'"],
    [{ train: { steps: 2.5 } }, 'train.steps: expected a positive whole number, found 2.5'],
    [{ train: { leraning: 1 } }, 'train.leraning: unknown key'],
    [{ train: { steps: 1, epochs: 1 } }, 'train.epochs: give either steps or epochs, not both'],
    [{ trian: {} }, 'trian: unknown key'],
    [{ methods: [{ key: 'a', option: {} }] }, 'methods[0].option: unknown key'],
    [{ methods: [{ key: 3 }] }, 'methods[0].key: expected a text that is not empty, found 3'],
    [{ data: { path: 'd', split: 2 } }, 'data.split: expected a number above 0 and below 1, found 2'],
    [{ data: 7 }, /^data: expected .*found 7$/],
    [{ quantize: { scheme: 'int3' } }, /^quantize\.scheme: expected one of int8, .*found 'int3'$/],
    [{ goals: { top1: { least: 1 } } }, 'goals.top1.least: unknown key'],
    [
      { seed: -1, threads: 0 },
      /^seed: expected a whole number of at least 0.*found -1; threads: expected a positive whole number, found 0$/,
    ],
  ])('names the field of %j', (wrong, expected) => {
    const text = message(Recipe, { ...recipe, ...wrong })
    if (typeof expected === 'string') expect(text).toBe(expected)
    else expect(text).toMatch(expected)
  })

  it('names what is missing', () => {
    expect(message(Recipe, {})).toMatch(/^data: .*found nothing; student: .*found nothing$/)
  })
})

describe('methodChoices', () => {
  it('gives each method its own options', () => {
    expect(methodChoices(['kd'], { alpha: 0.5, 'kd.t': 2, 'deep.er': 1 })).toEqual([
      { key: 'kd', options: { alpha: 0.5, t: 2, deep: { er: 1 } } },
    ])
    expect(methodChoices(['kd', 'fitnets'], { 'kd.t': 2, 'fitnets.a.b': 3 })).toEqual([
      { key: 'kd', options: { t: 2 } },
      { key: 'fitnets', options: { a: { b: 3 } } },
    ])
  })

  it('asks when the method is not clear, and never reaches a prototype', () => {
    expect(() => methodChoices(['kd', 'fitnets'], { alpha: 1 })).toThrow(/which of the methods kd, fitnets is meant/)
    expect(() => methodChoices(['kd'], { 'a.__proto__.polluted': 1 })).toThrow(OptionError)
    methodChoices(['kd'], { 'constructor.prototype.polluted': 1 })
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('errors across a process boundary', () => {
  it('keep code, place and hint', () => {
    const wire = toWire(new DataError('torn', { where: 'a.png', hint: 'skip it' }))
    expect(wire).toEqual({ code: 'data', message: 'torn', where: 'a.png', hint: 'skip it' })
    expect(toWire(fromWire(structuredClone(wire)))).toEqual(wire)
  })

  it('tell the file system from faults of the program', () => {
    expect(toWire(Object.assign(new Error('ENOENT: …'), { code: 'ENOENT', path: '/x' }))).toEqual({
      code: 'data',
      message: '/x: no such file or folder',
      where: '/x',
    })
    expect([toWire(new BugError('b')).code, toWire(new TypeError('x is not a function')).code, toWire('text').message]).toEqual([
      'bug',
      'bug',
      'text',
    ])
  })
})

describe('nearest', () => {
  it.each([
    ['distil', 'distill'],
    ['quantise', 'quantize'],
    ['bench', 'benchmark'],
    ['xyz', undefined],
    ['', undefined],
  ])('%s → %s', (word, expected) => expect(nearest(word, ['distill', 'quantize', 'benchmark', 'runs'])).toBe(expected))
})
