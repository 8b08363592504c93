import { describe, expect, it } from 'vitest'
import { planInstall, thisMachine } from '../../scripts/install-cuda.ts'

describe('npm run install:cuda', () => {
  const linux = { platform: 'linux', arch: 'x64', driver: true, offers: ['cuda12'] }

  it('asks the package for what it offers where there is a driver', () => {
    expect(planInstall(linux)).toEqual({ install: 'cuda12' })
  })

  it('fetches nothing without one, unless told to', () => {
    expect(planInstall({ ...linux, driver: false })).toHaveProperty('refused')
    expect(planInstall({ ...linux, driver: false }, true)).toEqual({ install: 'cuda12' })
  })

  it('says what to use instead where there is no such provider', () => {
    const other = (platform: string) => planInstall({ platform, arch: 'x64', driver: true, offers: [] }, true)
    expect(other('win32')).toHaveProperty('refused', expect.stringContaining('dml'))
    expect(other('darwin')).toHaveProperty('refused', expect.stringContaining('webgpu'))
  })

  it('finds what the installed package offers', () => {
    const { platform, arch, offers } = thisMachine()
    expect(offers).toEqual(platform === 'linux' && arch === 'x64' ? ['cuda12'] : [])
  })
})
