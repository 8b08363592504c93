#if defined(__aarch64__) || defined(_M_ARM64)
#include <arm_neon.h>

#include "kernels.inl"

namespace {

struct Four {
  using F = float32x4_t;
  static constexpr size_t width = 4;
  static F load(const float *x) { return vld1q_f32(x); }
  static void store(float *x, F v) { vst1q_f32(x, v); }
  static F set(float x) { return vdupq_n_f32(x); }
  static F add(F a, F b) { return vaddq_f32(a, b); }
  static F sub(F a, F b) { return vsubq_f32(a, b); }
  static F mul(F a, F b) { return vmulq_f32(a, b); }
  static F div(F a, F b) { return vdivq_f32(a, b); }
  static F sqrt(F a) { return vsqrtq_f32(a); }
  /// +-1 with the sign of a; a itself where that is 0 or NaN.
  static F sign(F a) {
    const F up = vbslq_f32(vcgtzq_f32(a), vdupq_n_f32(1.0f), a);
    return vbslq_f32(vcltzq_f32(a), vdupq_n_f32(-1.0f), up);
  }
  static bool allZero(F a) { return vminvq_u32(vceqzq_f32(a)) == 0xffffffffu; }
};

double squares(const float *x, size_t n, bool &finite) {
  float64x2_t sum[8];
  for (auto &s : sum) s = vdupq_n_f64(0);
  size_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (size_t k = 0; k < 8; k++) {
      const float64x2_t d = vcvt_f64_f32(vld1_f32(x + i + 2 * k));
      sum[k] = vaddq_f64(sum[k], vmulq_f64(d, d));
    }
  double lane[LANES];
  for (size_t k = 0; k < 8; k++) vst1q_f64(lane + 2 * k, sum[k]);
  return finishSquares(lane, x, i, n, finite);
}

const stillroom::Kernels table = {"neon", sgd<Four>, adam<Four>, adamw<Four>, lion<Four>, squares};

}  // namespace

const stillroom::Kernels *stillroom::neonKernels() { return &table; }
#else
#include "kernels.h"
const stillroom::Kernels *stillroom::neonKernels() { return nullptr; }
#endif
