// For every processor, and the reference that the others must equal bit for bit.
#include "kernels.inl"

namespace {

double squares(const float *x, size_t n, bool &finite) {
  double lane[LANES] = {};
  size_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (size_t k = 0; k < LANES; k++) lane[k] += static_cast<double>(x[i + k]) * static_cast<double>(x[i + k]);
  return finishSquares(lane, x, i, n, finite);
}

const stillroom::Kernels table = {"scalar", sgd<One>, adam<One>, adamw<One>, lion<One>, squares};

}  // namespace

const stillroom::Kernels *stillroom::scalarKernels() { return &table; }
