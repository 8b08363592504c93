// One optimizer step over many tensors.
#pragma once
#include <cstddef>
#include <vector>

#include "kernels.h"
#include "pool.h"

namespace stillroom {

enum class Check {
  none,    // gradients are not looked at
  report,  // the answer says whether they are finite; the step was made all the same
  skip,    // a step with a gradient that is not finite changes nothing
};

struct Job {
  const Kernels *kernels;
  Update rule;
  Scalars scalars;
  std::vector<Part> tensors;
  float clip;  // bound of the global norm of all gradients; 0 for none
  Check check;
  size_t threads;
};

struct Outcome {
  double norm;  // of all gradients before clipping; NaN where it was not needed
  bool finite;
  bool applied;
};

/// Runs a job in place. Same bits for every number of threads: tensors are cut at fixed places, and sums are added in that order.
Outcome run(Pool &pool, Job &job);

/// Copies `n` bytes on so many threads, in pieces of so many bytes; the C library bypasses the cache for large ones. For measuring what the
/// memory of a machine gives.
void copy(Pool &pool, char *to, const char *from, size_t n, size_t threads, size_t piece);

}  // namespace stillroom
