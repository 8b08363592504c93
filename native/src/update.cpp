#include "update.h"

#include <math.h>
#include <string.h>

#include <atomic>
#include <limits>

namespace stillroom {
namespace {

/// Elements in a piece of work: 64 KiB of each array, so that what two passes read stays in a core's cache.
constexpr size_t PIECE = 16384;

/// Work below this many elements is done by the caller: waking a thread takes as long.
constexpr size_t ALONE = 2 * PIECE;

/// Keeps the clipping factor finite for zero gradients; the constant of the graph.
constexpr float TINY = 1e-6f;

std::vector<Part> pieces(const std::vector<Part> &tensors, size_t &elements) {
  std::vector<Part> out;
  elements = 0;
  for (const auto &t : tensors) {
    elements += t.n;
    for (size_t at = 0; at < t.n; at += PIECE) {
      Part part = t;
      part.n = t.n - at < PIECE ? t.n - at : PIECE;
      part.p += at;
      part.g += at;
      if (part.m) part.m += at;
      if (part.v) part.v += at;
      if (part.average) part.average += at;
      out.push_back(part);
    }
  }
  return out;
}

}  // namespace

Outcome run(Pool &pool, Job &job) {
  size_t elements = 0;
  const auto parts = pieces(job.tensors, elements);
  const size_t threads = elements < ALONE ? 1 : job.threads;
  Outcome out{std::numeric_limits<double>::quiet_NaN(), true, true};
  if (job.clip > 0 || job.check == Check::skip) {
    std::vector<double> sums(parts.size());
    std::atomic<bool> finite{true};
    pool.run(threads, parts.size(), [&](size_t i) {
      bool fine = true;
      sums[i] = job.kernels->squares(parts[i].g, parts[i].n, fine);
      if (!fine) finite.store(false, std::memory_order_relaxed);
    });
    double sum = 0;
    for (const double s : sums) sum += s;
    out.norm = sqrt(sum);
    out.finite = finite.load();
    if (job.clip > 0) {
      const float factor = job.clip / (static_cast<float>(out.norm) + TINY);
      job.scalars.scale *= factor < 1 ? factor : 1;
    }
    if (job.check == Check::skip && !out.finite) {
      out.applied = false;
      return out;
    }
  }
  std::atomic<bool> finite{true};
  pool.run(threads, parts.size(), [&](size_t i) {
    if (!job.rule(job.scalars, parts[i])) finite.store(false, std::memory_order_relaxed);
  });
  if (job.check != Check::none) out.finite = finite.load();
  return out;
}

void copy(Pool &pool, char *to, const char *from, size_t n, size_t threads, size_t piece) {
  pool.run(threads, (n + piece - 1) / piece, [&](size_t i) {
    const size_t at = i * piece;
    memcpy(to + at, from + at, n - at < piece ? n - at : piece);
  });
}

}  // namespace stillroom
