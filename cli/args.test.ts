import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { OptionError, type StillroomError, UnsupportedError } from '../engine/errors.ts'
import { commandNames, commands, fieldsOf } from '../engine/commands/index.ts'
import { flagOf, parseCommandLine, wantsJson } from './args.ts'
import { helpText } from './help.ts'

const parse = (line: string) => parseCommandLine(line.split(' ').filter(Boolean), '/home')
const DISTILL = 'distill --teacher t.onnx --data builtin:glyphs --student width:0.5 --method hinton-kd'

const thrown = (line: string): StillroomError => {
  try {
    parse(line)
  } catch (error) {
    return error as StillroomError
  }
  throw new Error(`'${line}' was accepted`)
}

describe('parseCommandLine', () => {
  it('reads verbs, places, options of every kind, and makes paths absolute', () => {
    const line = `${DISTILL},fitnets --option hinton-kd.alpha=0.5 --option fitnets.kind=conv --lr=1e-3 --steps 20 --overwrite --json --preprocess my.json`
    expect(parse(line)).toEqual({
      kind: 'call',
      name: 'distill',
      json: true,
      quiet: false,
      input: {
        teacher: resolve('/home', 't.onnx'),
        data: 'builtin:glyphs',
        student: 'width:0.5',
        method: ['hinton-kd', 'fitnets'],
        option: { 'hinton-kd.alpha': 0.5, 'fitnets.kind': 'conv' },
        lr: 0.001,
        steps: 20,
        overwrite: true,
        preprocess: resolve('/home', 'my.json'),
      },
    })
  })

  it.each([
    ['runs compare a b c', { ids: ['a', 'b', 'c'] }],
    ['runs compare a,b', { ids: ['a', 'b'] }],
    ['methods check hinton-kd --seeds 1,2 --seeds 3', { key: 'hinton-kd', seeds: [1, 2, 3] }],
    ['methods check k --no-sabotage', { key: 'k', sabotage: false }],
    [`${DISTILL} --option a=-1 --option b=[1,2] --option c=x=y --option d=`, { option: { a: -1, b: [1, 2], c: 'x=y', d: '' } }],
    ['--json inspect m.onnx', { model: resolve('/home', 'm.onnx') }],
    ['inspect --model=m.onnx', { model: resolve('/home', 'm.onnx') }],
    ['inspect -- --odd', { model: resolve('/home', '--odd') }],
  ])('reads %s', (line, input) => expect(parse(line)).toMatchObject({ input }))

  it.each([
    ['distil', /no verb 'distil'/, /did you mean 'distill'/],
    ['data inspct x', /no 'data inspct'/, /did you mean 'inspect'/],
    ['runs', /needs a word after it/, /runs --help/],
    ['inspect', /missing MODEL/, /usage: stillroom inspect MODEL/],
    ['evaluate m', /missing --data/, /usage/],
    ['inspect a b', /'b' is one word too many/, /usage/],
    ['devices x', /'x' is one word too many/, /usage/],
    ['inspect m --sed 1', /no option --sed/, /did you mean '--seed'/],
    ['inspect m -x', /no option -x/, /usage/],
    ['inspect m --seed', /--seed needs a value/, /Seed/],
    ['inspect m --seed --threads 1', /--seed needs a value/, /Seed/],
    ['inspect m --seed 1 --seed 2', /--seed is given twice/, /usage/],
    [`${DISTILL} --option a`, /expected NAME=VALUE, found 'a'/, /usage/],
    [`${DISTILL} --option a=1 --option a=2`, /'a' is given twice/, /usage/],
    [`${DISTILL} --lr abc`, /^--lr: expected a positive number, found 'abc'$/, undefined],
    [`${DISTILL} --lr -1`, /^--lr: expected a positive number, found -1$/, undefined],
    [`${DISTILL} --lr Infinity`, /found 'Infinity'/, undefined],
    [`${DISTILL} --steps 1.5`, /^--steps: expected a positive whole number, found 1.5$/, undefined],
    [`${DISTILL} --optimizer sgdm`, /^--optimizer: expected one of sgd, adam, adamw, lion, found 'sgdm'$/, undefined],
    [`${DISTILL} --split 1`, /^--split: expected a number above 0 and below 1, found 1$/, undefined],
    [`${DISTILL} --steps 5 --epochs 1`, /either steps or epochs/, undefined],
    [`${DISTILL} --labels yes`, /one of on, off/, undefined],
    [`gradcheck m --order 3`, /^--order: expected a whole number of at least 1 and at most 2, found 3$/, undefined],
    ['methods check k --seeds 1,x', /^--seeds 1: expected .*whole number.*found 'x'$/, undefined],
    ['runs compare a', /ID…: expected a list of at least 2/, undefined],
  ])('refuses %s', (line, message, hint) => {
    const error = thrown(line)
    expect(error).toBeInstanceOf(OptionError)
    expect(error.message).toMatch(message)
    if (hint) expect(error.hint).toMatch(hint)
  })

  it.each(['prune m'])('says of %s that it is still to come', (line) => {
    expect(thrown(line)).toBeInstanceOf(UnsupportedError)
    expect(thrown(line).message).toMatch(/not there yet/)
  })

  it('leaves the name of a student template as it is', () => {
    const student = (value: string) => {
      const call = parse(`distill --teacher t.onnx --data d --method dot --student ${value}`)
      return call.kind === 'call' ? call.input['student'] : undefined
    }
    expect(['small-cnn', 'template:mlp', 'width:0.5', 's.onnx', 'a/b'].map(student)).toEqual([
      'small-cnn', 'template:mlp', 'width:0.5', resolve('/home', 's.onnx'), resolve('/home', 'a/b'),
    ]) // prettier-ignore
  })

  it('knows whether JSON is wanted even when the rest is wrong', () => {
    expect([wantsJson(['nonsense', '--json']), wantsJson(['inspect', '--', '--json'])]).toEqual([true, false])
  })
})

describe('help', () => {
  it('explains every verb, with every option and a sentence for each', () => {
    for (const name of commandNames) {
      const text = helpText(name.replace('.', ' '))
      const fields = fieldsOf(commands[name].input)
      for (const field of fields) {
        expect(field.help, `${name}: ${field.name}`).not.toBe('')
        if (!commands[name].positional.includes(field.name)) expect(text).toContain(flagOf(field.name))
      }
    }
  })

  it.each([
    ['--help', undefined],
    ['', undefined],
    ['help distill', 'distill'],
    ['distill --help', 'distill'],
    ['runs --help', 'runs'],
    ['runs list -h', 'runs list'],
  ])('%s', (line, topic) => expect(parse(line)).toEqual({ kind: 'help', topic }))
})
