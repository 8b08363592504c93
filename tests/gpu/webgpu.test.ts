/** Training on WebGPU beside the CPU. Needs a GPU or SwiftShader (docs/gpu.md) and skips without; `npm run study -- webgpu` prints more. */
import { afterAll, describe, expect, it } from 'vitest'
import type { Comparison } from '../../bench/webgpu/compare.ts'
import { findGpu, runWorker } from '../../bench/webgpu/device.ts'
import type { Resumed } from '../../bench/webgpu/resume.ts'

const gpu = findGpu()
if ('why' in gpu) process.stdout.write(`skipped: training on WebGPU, no device for it (${gpu.why})\n`)
afterAll(() => {
  if ('clean' in gpu) gpu.clean()
})

describe.skipIf('why' in gpu)('training on WebGPU', () => {
  it.each(['cnn', 'transformer'])(
    'agrees with the CPU over ten steps and keeps everything on the device: %s',
    async (name) => {
      if ('why' in gpu) return
      const rows: Comparison[] = []
      const { ended } = await runWorker(gpu, ['train', '10', name], (line) => rows.push(line as Comparison))
      expect(ended).toBeUndefined()
      const [r] = rows
      expect(r!.losses.cpu).toHaveLength(10)
      expect(new Set(r!.losses.cpu).size).toBe(10)
      expect(r!.lossError).toBeLessThan(1e-3)
      expect(r!.parameterError).toBeLessThan(1e-3)
      expect(r!.fallbacks).toEqual([])
      expect(r!.copies).toBe(0)
      expect(r!.onDevice).toBe(r!.state)
    },
    300_000,
  )

  it('goes on from a checkpoint, whose state came from the device', async () => {
    if ('why' in gpu) return
    const rows: Resumed[] = []
    const { ended } = await runWorker(gpu, ['resume'], (line) => rows.push(line as Resumed))
    expect(ended).toBeUndefined()
    const [r] = rows
    expect(r!.messages).toEqual([])
    expect(r!.largest).toBeGreaterThan(0.1)
    expect(r!.whole).toBeLessThan(1e-5)
    expect(r!.resumed).toBeLessThan(1e-5)
  }, 300_000)
})
