import { describe, expect, it } from 'vitest'
import { fromCpuInfo, fromSysctl, integerKernels } from './instructionSets.ts'

describe('instruction sets', () => {
  it('reads what Linux tells', () => {
    expect(fromCpuInfo('processor : 0\nflags\t\t: fpu sse4_1 avx avx2 avx512_vnni\n')).toEqual([
      'SSE4.1',
      'AVX',
      'AVX2',
      'AVX-512-VNNI',
    ])
    expect(fromCpuInfo('Features\t: fp asimd asimddp\n')).toEqual(['NEON', 'DotProd'])
    expect(fromCpuInfo('nothing')).toEqual([])
  })

  it('reads what macOS tells', () => {
    const text = 'hw.optional.avx2_0: 1\nhw.optional.avx512vnni: 0\nhw.optional.arm.FEAT_DotProd: 1\n'
    expect(fromSysctl(text)).toEqual(['AVX2', 'DotProd'])
  })

  it('says which processors overflow', () => {
    const of = (architecture: string, ...instructionSets: string[]) => integerKernels({ architecture, instructionSets }).sums
    expect(of('x64', 'AVX2')).toBe('pairs')
    expect(of('x64', 'AVX2', 'AVX-512BW')).toBe('pairs')
    expect(of('x64', 'AVX2', 'AVX-VNNI')).toBe('exact')
    expect(of('x64', 'SSE4.1')).toBe('exact')
    expect(of('arm64', 'NEON')).toBe('exact')
    expect(of('x64')).toBe('unknown')
  })
})
