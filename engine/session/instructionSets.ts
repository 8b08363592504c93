import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Flags of /proc/cpuinfo (x86 `flags`, Arm `Features`) that ONNX Runtime's kernels look at. */
const LINUX: Record<string, string> = {
  sse4_1: 'SSE4.1',
  avx: 'AVX',
  avx2: 'AVX2',
  fma: 'FMA',
  f16c: 'F16C',
  avx_vnni: 'AVX-VNNI',
  avx512f: 'AVX-512F',
  avx512bw: 'AVX-512BW',
  avx512_vnni: 'AVX-512-VNNI',
  avx512_bf16: 'AVX-512-BF16',
  amx_int8: 'AMX-INT8',
  amx_bf16: 'AMX-BF16',
  asimd: 'NEON',
  asimdhp: 'NEON-FP16',
  asimddp: 'DotProd',
  i8mm: 'I8MM',
  bf16: 'BF16',
  sve: 'SVE',
  sme: 'SME',
}

/** Names below `hw.optional` of macOS, whatever the processor. */
const MAC: Record<string, string> = {
  'hw.optional.sse4_1': 'SSE4.1',
  'hw.optional.avx1_0': 'AVX',
  'hw.optional.avx2_0': 'AVX2',
  'hw.optional.avx512f': 'AVX-512F',
  'hw.optional.avx512bw': 'AVX-512BW',
  'hw.optional.avx512vnni': 'AVX-512-VNNI',
  'hw.optional.neon': 'NEON',
  'hw.optional.arm.FEAT_FP16': 'NEON-FP16',
  'hw.optional.arm.FEAT_DotProd': 'DotProd',
  'hw.optional.arm.FEAT_I8MM': 'I8MM',
  'hw.optional.arm.FEAT_BF16': 'BF16',
  'hw.optional.arm.FEAT_SME': 'SME',
}

export function fromCpuInfo(text: string): string[] {
  const flags = new Set(/^(?:flags|Features)\s*:\s*(.*)$/m.exec(text)?.[1]?.split(/\s+/))
  return Object.entries(LINUX).flatMap(([flag, name]) => (flags.has(flag) ? [name] : []))
}

/** @param text lines `name: 1`, as `sysctl hw.optional` prints them */
export function fromSysctl(text: string): string[] {
  const set = new Set([...text.matchAll(/^(\S+): 1$/gm)].map((m) => m[1]!))
  return Object.entries(MAC).flatMap(([flag, name]) => (set.has(flag) ? [name] : []))
}

/** What the system tells about this processor; empty where it tells nothing (Windows). */
export function instructionSets(platform: NodeJS.Platform): string[] {
  try {
    if (platform === 'linux') return fromCpuInfo(readFileSync('/proc/cpuinfo', 'utf8'))
    if (platform === 'darwin')
      return fromSysctl(spawnSync('sysctl', ['hw.optional'], { encoding: 'utf8', timeout: 5000 }).stdout ?? '')
  } catch {
    // A closed /proc: then it is unknown, as elsewhere.
  }
  return []
}

/** How ONNX Runtime's kernels for unsigned activations and signed 8-bit weights add up their products. */
export interface IntegerKernels {
  /** `pairs`: in 16 bits, where two products can overflow; `exact`: in 32 bits. */
  sums: 'exact' | 'pairs' | 'unknown'
  /** One line for the person. */
  text: string
}

/** Which integer kernels a processor gets, by its instruction sets. */
export function integerKernels(cpu: { architecture: string; instructionSets: readonly string[] }): IntegerKernels {
  const has = (name: string) => cpu.instructionSets.includes(name)
  if (cpu.architecture !== 'x64' && cpu.architecture !== 'ia32')
    return { sums: 'exact', text: `${cpu.architecture} kernels add products in 32 bits` }
  if (cpu.instructionSets.length === 0)
    return { sums: 'unknown', text: 'the system does not tell whether this processor has VNNI, whose absence can overflow' }
  const fast = ['AVX-VNNI', 'AVX-512-VNNI', 'AMX-INT8'].find(has)
  if (fast) return { sums: 'exact', text: `${fast} adds products in 32 bits` }
  // Below AVX2 the kernels widen to 16 bits before they multiply.
  if (!has('AVX2')) return { sums: 'exact', text: 'kernels below AVX2 add products in 32 bits, slowly' }
  return { sums: 'pairs', text: 'this processor has no VNNI: its kernels add pairs of products in 16 bits, which can overflow' }
}
