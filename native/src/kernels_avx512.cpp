#if defined(__AVX512F__)
#include <immintrin.h>

#include "kernels.inl"

namespace {

struct Sixteen {
  using F = __m512;
  static constexpr size_t width = 16;
  static F load(const float *x) { return _mm512_loadu_ps(x); }
  static void store(float *x, F v) { _mm512_storeu_ps(x, v); }
  static F set(float x) { return _mm512_set1_ps(x); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F sqrt(F a) { return _mm512_sqrt_ps(a); }
  /// +-1 with the sign of a; a itself where that is 0 or NaN.
  static F sign(F a) {
    const __mmask16 above = _mm512_cmp_ps_mask(a, _mm512_setzero_ps(), _CMP_GT_OQ);
    const __mmask16 below = _mm512_cmp_ps_mask(a, _mm512_setzero_ps(), _CMP_LT_OQ);
    return _mm512_mask_mov_ps(_mm512_mask_mov_ps(a, above, _mm512_set1_ps(1.0f)), below, _mm512_set1_ps(-1.0f));
  }
  static bool allZero(F a) { return _mm512_cmp_ps_mask(a, _mm512_setzero_ps(), _CMP_EQ_OQ) == 0xffff; }
};

double squares(const float *x, size_t n, bool &finite) {
  __m512d low = _mm512_setzero_pd();
  __m512d high = _mm512_setzero_pd();
  size_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    const __m512d a = _mm512_cvtps_pd(_mm256_loadu_ps(x + i));
    const __m512d b = _mm512_cvtps_pd(_mm256_loadu_ps(x + i + 8));
    low = _mm512_add_pd(low, _mm512_mul_pd(a, a));
    high = _mm512_add_pd(high, _mm512_mul_pd(b, b));
  }
  double lane[LANES];
  _mm512_storeu_pd(lane, low);
  _mm512_storeu_pd(lane + 8, high);
  return finishSquares(lane, x, i, n, finite);
}

const stillroom::Kernels table = {"avx512", sgd<Sixteen>, adam<Sixteen>, adamw<Sixteen>, lion<Sixteen>, squares};

}  // namespace

const stillroom::Kernels *stillroom::avx512Kernels() { return &table; }
#else
#include "kernels.h"
const stillroom::Kernels *stillroom::avx512Kernels() { return nullptr; }
#endif
