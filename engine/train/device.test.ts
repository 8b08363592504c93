import { describe, expect, it } from 'vitest'
import type { NodeTime, Session } from '../session/index.ts'
import { deviceOf } from './device.ts'
import type { Program } from './program.ts'

const program = { changes: ['param/w', 'slot/m/w'] } as unknown as Program
const ran = (node: string, op: string, provider: string): NodeTime => ({
  name: node,
  op,
  provider,
  calls: 1,
  totalMs: 1,
  medianMs: 1,
})
const session = (...times: NodeTime[]): Session => ({ profile: () => times }) as unknown as Session

describe('a training on a device', () => {
  it('keeps the state of a step there where the binding can', () => {
    expect(deviceOf('cpu').settings(program)).toEqual({})
    expect(deviceOf('webgpu').settings(program)).toEqual({ profile: true, onDevice: ['next/param/w', 'next/slot/m/w'] })
    expect(deviceOf('cuda').settings(program)).toEqual({ profile: true })
  })

  it('tells once, by node, of operators that ran on the CPU', () => {
    const said: string[] = []
    const say = (_: string, text: string) => void said.push(text)
    const device = deviceOf('webgpu')
    const one = session(ran('a', 'Conv', 'webgpu'), ran('loss/hot', 'OneHot', 'cpu'))
    device.tell(one, say)
    device.tell(one, say)
    device.tell(session(ran('a', 'Conv', 'webgpu')), say)
    expect(said).toHaveLength(1)
    expect(said[0]).toMatch(/^1 operator of the step runs on the CPU.*OneHot \(1: loss\/hot\)$/)
  })
})
