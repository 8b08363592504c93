// The update rules, once, for a vector type `V`. Included by each kernels_*.cpp, which is compiled for its own instruction set. Everything
// here is in an unnamed namespace: the linker must never take an AVX-512 copy of a shared function for the scalar one.
//
// No fused multiply-add: each operation rounds as the same one of the graph does, so that all instruction sets give the same bits, and
// they are those of the graph where ONNX Runtime's own kernels round correctly.
#include <math.h>
#include <cstddef>

#include "kernels.h"

namespace {

using stillroom::Part;
using stillroom::Scalars;

/// One element at a time, for the ends of tensors and for processors without vectors.
struct One {
  using F = float;
  static constexpr size_t width = 1;
  static F load(const float *x) { return *x; }
  static void store(float *x, F v) { *x = v; }
  static F set(float x) { return x; }
  static F add(F a, F b) { return a + b; }
  static F sub(F a, F b) { return a - b; }
  static F mul(F a, F b) { return a * b; }
  static F div(F a, F b) { return a / b; }
  static F sqrt(F a) { return sqrtf(a); }
  static F sign(F a) { return a > 0 ? 1.0f : a < 0 ? -1.0f : a; }
  static bool allZero(F a) { return a == 0; }
};

/// x 0 is 0 for finite x and NaN otherwise, so the sum of these tells whether anything was not finite.
template <class V>
typename V::F unlessFinite(typename V::F seen, typename V::F g) {
  return V::add(seen, V::mul(g, V::set(0.0f)));
}

template <class V>
void follow(const Scalars &s, const Part &t, size_t i, typename V::F p) {
  const auto e = V::load(t.average + i);
  V::store(t.average + i, V::add(e, V::mul(V::sub(p, e), V::set(s.average))));
}

// g' = g [+ lambda p];  v = mu v + g';  p -= lr (nesterov ? g' + mu v : v)
template <bool Decay, bool Nesterov>
struct Sgd {
  template <class V>
  static typename V::F apply(const Scalars &s, const Part &t, size_t i, typename V::F p, typename V::F g) {
    if (Decay) g = V::add(g, V::mul(p, V::set(t.decay)));
    const auto mu = V::set(s.beta1);
    const auto v = V::add(V::mul(V::load(t.m + i), mu), g);
    V::store(t.m + i, v);
    return V::sub(p, V::mul(Nesterov ? V::add(g, V::mul(v, mu)) : v, V::set(t.lr)));
  }
};

// m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  p -= lr (m^ / (sqrt(v^) + eps) [+ lambda p])
template <bool Decay, bool Decoupled>
struct Adam {
  template <class V>
  static typename V::F apply(const Scalars &s, const Part &t, size_t i, typename V::F p, typename V::F g) {
    if (Decay && !Decoupled) g = V::add(g, V::mul(p, V::set(t.decay)));
    const auto m = V::add(V::mul(V::load(t.m + i), V::set(s.beta1)), V::mul(g, V::set(s.rest1)));
    const auto v = V::add(V::mul(V::load(t.v + i), V::set(s.beta2)), V::mul(V::mul(g, g), V::set(s.rest2)));
    V::store(t.m + i, m);
    V::store(t.v + i, v);
    const auto below = V::add(V::mul(V::sqrt(v), V::set(s.second)), V::set(s.epsilon));
    auto move = V::div(V::mul(m, V::set(s.first)), below);
    if (Decay && Decoupled) move = V::add(move, V::mul(p, V::set(t.decay)));
    return V::sub(p, V::mul(move, V::set(t.lr)));
  }
};

// p -= lr (sign(b1 m + (1 - b1) g) [+ lambda p]);  m = b2 m + (1 - b2) g
template <bool Decay>
struct Lion {
  template <class V>
  static typename V::F apply(const Scalars &s, const Part &t, size_t i, typename V::F p, typename V::F g) {
    const auto m = V::load(t.m + i);
    auto move = V::sign(V::add(V::mul(m, V::set(s.beta1)), V::mul(g, V::set(s.rest1))));
    if (Decay) move = V::add(move, V::mul(p, V::set(t.decay)));
    V::store(t.m + i, V::add(V::mul(m, V::set(s.beta2)), V::mul(g, V::set(s.rest2))));
    return V::sub(p, V::mul(move, V::set(t.lr)));
  }
};

template <class V, class Rule, bool Average>
void stretch(const Scalars &s, const Part &t, size_t &i, bool &finite) {
  const auto scale = V::set(s.scale);
  auto seen = V::set(0.0f);
  for (; i + V::width <= t.n; i += V::width) {
    const auto g = V::load(t.g + i);
    seen = unlessFinite<V>(seen, g);
    const auto p = Rule::template apply<V>(s, t, i, V::load(t.p + i), V::mul(g, scale));
    V::store(t.p + i, p);
    if (Average) follow<V>(s, t, i, p);
  }
  finite = finite && V::allZero(seen);
}

template <class V, class Rule>
bool run(const Scalars &s, const Part &t) {
  bool finite = true;
  size_t i = 0;
  if (t.average) {
    stretch<V, Rule, true>(s, t, i, finite);
    stretch<One, Rule, true>(s, t, i, finite);
  } else {
    stretch<V, Rule, false>(s, t, i, finite);
    stretch<One, Rule, false>(s, t, i, finite);
  }
  return finite;
}

template <class V>
bool sgd(const Scalars &s, const Part &t) {
  if (s.nesterov) return t.decay > 0 ? run<V, Sgd<true, true>>(s, t) : run<V, Sgd<false, true>>(s, t);
  return t.decay > 0 ? run<V, Sgd<true, false>>(s, t) : run<V, Sgd<false, false>>(s, t);
}

template <class V>
bool adam(const Scalars &s, const Part &t) {
  return t.decay > 0 ? run<V, Adam<true, false>>(s, t) : run<V, Adam<false, false>>(s, t);
}

template <class V>
bool adamw(const Scalars &s, const Part &t) {
  return t.decay > 0 ? run<V, Adam<true, true>>(s, t) : run<V, Adam<false, true>>(s, t);
}

template <class V>
bool lion(const Scalars &s, const Part &t) {
  return t.decay > 0 ? run<V, Lion<true>>(s, t) : run<V, Lion<false>>(s, t);
}

/// Sixteen running sums, whatever the width of a vector: element i goes to sum i mod 16, and they are added up in one fixed order. A square of
/// a float is exact in double, so one rounding happens for each element and all instruction sets agree.
constexpr size_t LANES = 16;

inline double total(const double (&lane)[LANES]) {
  double part[LANES];
  for (size_t k = 0; k < LANES; k++) part[k] = lane[k];
  for (size_t step = LANES / 2; step > 0; step /= 2)
    for (size_t k = 0; k < step; k++) part[k] += part[k + step];
  return part[0];
}

/// The rest of a part that fills no sixteen elements.
inline double finishSquares(double (&lane)[LANES], const float *x, size_t i, size_t n, bool &finite) {
  for (size_t k = 0; i + k < n; k++) lane[k] += static_cast<double>(x[i + k]) * static_cast<double>(x[i + k]);
  const double sum = total(lane);
  // Squares of finite floats cannot overflow a double.
  finite = finite && sum - sum == 0;
  return sum;
}

}  // namespace
