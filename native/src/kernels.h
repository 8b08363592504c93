// What every instruction set implements, and the table through which the rest calls it.
#pragma once
#include <cstddef>

namespace stillroom {

/// Numbers of one optimizer step that are the same for all tensors; already rounded to float as the graph rounds them.
struct Scalars {
  float scale;    // of the gradient: the clipping factor, 1 without clipping
  float beta1;    // momentum of SGD
  float beta2;
  float rest1;    // 1 - beta1
  float rest2;    // 1 - beta2
  float epsilon;
  float first;    // 1 / (1 - beta1^t)
  float second;   // 1 / sqrt(1 - beta2^t)
  float average;  // 1 - decay of the moving average
  bool nesterov;
};

/// A part of one tensor. `m`, `v` and `average` are null where the rule has no such state.
struct Part {
  float *p;
  const float *g;
  float *m;
  float *v;
  float *average;
  size_t n;
  float lr;
  float decay;  // weight decay of this tensor's group; 0 for none
};

/// Updates a part in place. Returns whether all its gradients are finite.
using Update = bool (*)(const Scalars &, const Part &);

/// Sum of squares in double, in an order that does not depend on the instruction set; `finite` is cleared where an element is not.
using Squares = double (*)(const float *, size_t, bool &finite);

struct Kernels {
  const char *name;
  Update sgd;
  Update adam;   // coupled decay
  Update adamw;  // decoupled decay
  Update lion;
  Squares squares;
};

/// Each is null on processors of another family; whether this one has the instructions is for `usable()` to say.
const Kernels *scalarKernels();
const Kernels *avx2Kernels();
const Kernels *avx512Kernels();
const Kernels *neonKernels();

}  // namespace stillroom
