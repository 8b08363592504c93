#include "cpu.h"

#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
#include <immintrin.h>
#include <intrin.h>
#endif

namespace stillroom {
namespace {

#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
/// The processor's word and the system's: registers that it does not save must not be used. Bits: Intel SDM, CPUID leaf 7 and XCR0.
bool has(int bit, unsigned long long saved) {
  int r[4];
  __cpuid(r, 1);
  if (!(r[2] & (1 << 27)) || (_xgetbv(0) & saved) != saved) return false;
  __cpuidex(r, 7, 0);
  return (r[1] >> bit) & 1;
}
bool hasAvx2() { return has(5, 0x6); }
bool hasAvx512() { return has(16, 0xe6); }
#elif defined(__x86_64__) || defined(__i386__)
bool hasAvx2() { return __builtin_cpu_supports("avx2"); }
bool hasAvx512() { return __builtin_cpu_supports("avx512f"); }
#else
bool hasAvx2() { return false; }
bool hasAvx512() { return false; }
#endif

}  // namespace

const std::vector<const Kernels *> &usable() {
  static const std::vector<const Kernels *> list = [] {
    std::vector<const Kernels *> found{scalarKernels()};
    if (neonKernels()) found.push_back(neonKernels());
    if (avx2Kernels() && hasAvx2()) found.push_back(avx2Kernels());
    if (avx512Kernels() && hasAvx512()) found.push_back(avx512Kernels());
    return found;
  }();
  return list;
}

}  // namespace stillroom
