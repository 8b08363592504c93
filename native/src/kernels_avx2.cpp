#if defined(__AVX2__)
#include <immintrin.h>

#include "kernels.inl"

namespace {

struct Eight {
  using F = __m256;
  static constexpr size_t width = 8;
  static F load(const float *x) { return _mm256_loadu_ps(x); }
  static void store(float *x, F v) { _mm256_storeu_ps(x, v); }
  static F set(float x) { return _mm256_set1_ps(x); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F div(F a, F b) { return _mm256_div_ps(a, b); }
  static F sqrt(F a) { return _mm256_sqrt_ps(a); }
  /// +-1 with the sign of a; a itself where that is 0 or NaN.
  static F sign(F a) {
    const F unit = _mm256_or_ps(_mm256_set1_ps(1.0f), _mm256_and_ps(a, _mm256_set1_ps(-0.0f)));
    return _mm256_blendv_ps(a, unit, _mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_NEQ_OQ));
  }
  static bool allZero(F a) { return _mm256_movemask_ps(_mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_EQ_OQ)) == 0xff; }
};

double squares(const float *x, size_t n, bool &finite) {
  __m256d sum[4] = {_mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd()};
  size_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (size_t k = 0; k < 4; k++) {
      const __m256d d = _mm256_cvtps_pd(_mm_loadu_ps(x + i + 4 * k));
      sum[k] = _mm256_add_pd(sum[k], _mm256_mul_pd(d, d));
    }
  double lane[LANES];
  for (size_t k = 0; k < 4; k++) _mm256_storeu_pd(lane + 4 * k, sum[k]);
  return finishSquares(lane, x, i, n, finite);
}

const stillroom::Kernels table = {"avx2", sgd<Eight>, adam<Eight>, adamw<Eight>, lion<Eight>, squares};

}  // namespace

const stillroom::Kernels *stillroom::avx2Kernels() { return &table; }
#else
#include "kernels.h"
const stillroom::Kernels *stillroom::avx2Kernels() { return nullptr; }
#endif
