// Which kernels this processor can run.
#pragma once
#include <vector>

#include "kernels.h"

namespace stillroom {

/// From the plainest to the widest; the scalar ones are always there.
const std::vector<const Kernels *> &usable();

}  // namespace stillroom
