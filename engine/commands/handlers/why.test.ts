import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { encodeModel } from '../../onnx/index.ts'
import { buildTemplate } from '../../students/index.ts'
import { handlers, inProcess, makeClient, makeDispatcher } from '../index.ts'
import { commandText } from './commandText.ts'

const folder = mkdtempSync(join(tmpdir(), 'stillroom-why-'))
const dispatcher = makeDispatcher(handlers)
const run = makeClient(['quantize', 'why'], inProcess(dispatcher))
afterAll(() => {
  dispatcher.close()
  rmSync(folder, { recursive: true, force: true })
})

const data = 'builtin:glyphs?samples=600&size=12&classes=10'
const shared = { data, labels: 'off', store: join(folder, 'runs.db'), threads: 1, seed: 3 } as const

function model(): string {
  const path = join(folder, 'model.onnx')
  writeFileSync(path, encodeModel(buildTemplate('small-cnn:0.5', { input: [1, 12, 12], classes: 10, seed: 2 })))
  return path
}

describe('why', () => {
  it('answers with a fix that the command quantize takes as it is', { timeout: 60_000 }, async () => {
    const float = model()
    // A model without labels is compared with itself: an untrained one will do.
    const { model: quantized } = await run.quantize({ ...shared, model: float, preprocess: 'bytes', out: join(folder, 'wrong') })
    const x = await run.why({ ...shared, model: float, quantized, preprocess: 'symmetric', samples: 100 })
    expect(x).toMatchObject({
      measure: 'agreement',
      verdict: 'fault',
      causes: [{ id: 'wrong-preprocessing' }, ...x.causes.slice(1)],
    })
    expect(x.parts.float.value).toBe(1)
    expect(x.flips.count).toBeGreaterThan(10)
    expect(x.layers).toHaveLength(5)
    expect(x.fix!.command).toMatch(/^stillroom quantize .*model\.onnx --data .* --preprocess symmetric /)
    const again = await run.quantize(x.fix!.input)
    const agreement = (again.metrics.quantized as Record<string, { value: number }>)['agreement']!.value
    expect(agreement).toBeGreaterThan(0.9)
    expect(agreement).toBeGreaterThan(x.heldOut.quantized.value + 0.1)
  })

  it('refuses a model that has no integers', async () => {
    const float = model()
    await expect(run.why({ ...shared, model: float, quantized: float, samples: 50 })).rejects.toMatchObject({ code: 'unsupported' })
  })
})

describe('a command as a line', () => {
  it('quotes what a shell would take apart, and leaves defaults out', () => {
    const input = {
      model: "it's here.onnx",
      data: 'digits',
      scheme: 'int8',
      equalize: true,
      reduceRange: false,
      exclude: ['/a b/', 'c'],
    }
    expect(commandText('quantize', input)).toBe(
      `stillroom quantize 'it'\\''s here.onnx' --data digits --equalize --exclude '/a b/,c' --no-reduce-range`,
    )
  })
})
