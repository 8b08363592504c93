// The door to JavaScript, in plain Node-API (version 8), so that one binary serves every Node and Electron. What the functions take and give is
// described where they are typed: engine/session/native.ts.
#define NAPI_VERSION 8
#include <node_api.h>

#include <exception>
#include <mutex>
#include <string>
#include <vector>

#include "cpu.h"
#include "update.h"

namespace {

using stillroom::Check;
using stillroom::Job;
using stillroom::Kernels;
using stillroom::Part;
using stillroom::Pool;

/// Raised to get back to the door; the error is then pending in JavaScript, or is made from `what`.
struct Refused {
  std::string what;
};

void ok(napi_status status) {
  if (status != napi_ok) throw Refused{""};
}

struct Floats {
  float *data;
  size_t length;
};

/// One pool for the process, as long as anything of it has the addon loaded: its threads run code of this library.
Pool *pool = nullptr;
int users = 0;
std::mutex door;

void leave(void *) {
  std::lock_guard<std::mutex> hold(door);
  if (--users > 0) return;
  delete pool;
  pool = nullptr;
}

Floats floats(napi_env env, napi_value value, const char *what) {
  bool is = false;
  ok(napi_is_typedarray(env, value, &is));
  if (!is) throw Refused{std::string(what) + ": expected a Float32Array"};
  napi_typedarray_type type;
  void *data;
  size_t length;
  ok(napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr));
  if (type != napi_float32_array) throw Refused{std::string(what) + ": expected a Float32Array"};
  return {static_cast<float *>(data), length};
}

double number(napi_env env, napi_value object, const char *name) {
  napi_value value;
  ok(napi_get_named_property(env, object, name, &value));
  double out;
  if (napi_get_value_double(env, value, &out) != napi_ok) throw Refused{std::string(name) + ": expected a number"};
  return out;
}

std::string word(napi_env env, napi_value object, const char *name) {
  napi_value value;
  ok(napi_get_named_property(env, object, name, &value));
  char text[16];
  size_t length;
  if (napi_get_value_string_utf8(env, value, text, sizeof text, &length) != napi_ok)
    throw Refused{std::string(name) + ": expected a word"};
  return std::string(text, length);
}

/// Handles of a long list would pile up until the call returns; an open scope must be closed also when something is refused.
class Scope {
 public:
  explicit Scope(napi_env e) : env(e) { ok(napi_open_handle_scope(env, &scope)); }
  ~Scope() { napi_close_handle_scope(env, scope); }
  Scope(const Scope &) = delete;
  Scope &operator=(const Scope &) = delete;

 private:
  napi_env env;
  napi_handle_scope scope;
};

/// A list of arrays with an entry for each tensor, or nothing where the property is undefined.
struct List {
  napi_env env;
  napi_value array = nullptr;
  const char *name;

  List(napi_env e, napi_value object, const char *n) : env(e), name(n) {
    napi_value value;
    ok(napi_get_named_property(env, object, name, &value));
    bool is = false;
    ok(napi_is_array(env, value, &is));
    if (is) array = value;
  }
  uint32_t length() const {
    uint32_t n = 0;
    if (array) ok(napi_get_array_length(env, array, &n));
    return n;
  }
  /// The tensor at `i`, of `n` elements; null where the list has none there.
  float *at(uint32_t i, size_t n, bool needed) const {
    napi_value value = nullptr;
    napi_valuetype type = napi_undefined;
    if (array) {
      ok(napi_get_element(env, array, i, &value));
      ok(napi_typeof(env, value, &type));
    }
    if (type == napi_undefined) {
      if (needed) throw Refused{std::string(name) + ": one is missing"};
      return nullptr;
    }
    const Floats f = floats(env, value, name);
    if (f.length != n)
      throw Refused{std::string(name) + ": expected " + std::to_string(n) + " elements at " + std::to_string(i) + ", found " +
                    std::to_string(f.length)};
    return f.data;
  }
};

const Kernels *kernelsOf(const std::string &isa) {
  const auto &all = stillroom::usable();
  if (isa == "best") return all.back();
  for (const auto *k : all)
    if (isa == k->name) return k;
  throw Refused{"isa: '" + isa + "' is not usable here"};
}

napi_value update(napi_env env, napi_value o) {
  Job job{};
  job.kernels = kernelsOf(word(env, o, "isa"));
  const std::string kind = word(env, o, "kind");
  job.rule = kind == "sgd"     ? job.kernels->sgd
             : kind == "adam"  ? job.kernels->adam
             : kind == "adamw" ? job.kernels->adamw
             : kind == "lion"  ? job.kernels->lion
                               : nullptr;
  if (!job.rule) throw Refused{"kind: '" + kind + "' is none of sgd, adam, adamw, lion"};
  const bool second = kind == "adam" || kind == "adamw";
  const std::string check = word(env, o, "check");
  job.check = check == "skip" ? Check::skip : check == "report" ? Check::report : Check::none;
  job.threads = static_cast<size_t>(number(env, o, "threads"));
  job.clip = static_cast<float>(number(env, o, "clip"));
  auto &s = job.scalars;
  // 1 - beta is taken in double, as the graph's constant is.
  const double beta1 = number(env, o, "beta1"), beta2 = number(env, o, "beta2");
  s.scale = static_cast<float>(number(env, o, "scale"));
  s.beta1 = static_cast<float>(beta1);
  s.beta2 = static_cast<float>(beta2);
  s.rest1 = static_cast<float>(1 - beta1);
  s.rest2 = static_cast<float>(1 - beta2);
  s.epsilon = static_cast<float>(number(env, o, "epsilon"));
  s.first = static_cast<float>(number(env, o, "first"));
  s.second = static_cast<float>(number(env, o, "second"));
  s.average = 1 - static_cast<float>(number(env, o, "averageDecay"));
  s.nesterov = number(env, o, "nesterov") != 0;
  const auto lr = static_cast<float>(number(env, o, "lr"));

  const List params(env, o, "params"), grads(env, o, "grads"), first(env, o, "m"), other(env, o, "v"), averages(env, o, "averages");
  napi_value value;
  ok(napi_get_named_property(env, o, "rates", &value));
  const Floats rates = floats(env, value, "rates");
  ok(napi_get_named_property(env, o, "decays", &value));
  const Floats decays = floats(env, value, "decays");
  const uint32_t n = params.length();
  if (grads.length() != n || rates.length != n || decays.length != n)
    throw Refused{"params, grads, rates and decays: expected one each for every tensor"};
  job.tensors.reserve(n);
  for (uint32_t i = 0; i < n; i++) {
    const Scope scope(env);
    ok(napi_get_element(env, params.array, i, &value));
    const Floats p = floats(env, value, "params");
    Part t{};
    t.p = p.data;
    t.n = p.length;
    t.g = grads.at(i, t.n, true);
    t.m = first.at(i, t.n, true);
    t.v = second ? other.at(i, t.n, true) : nullptr;
    t.average = averages.at(i, t.n, false);
    t.lr = lr * rates.data[i];
    t.decay = decays.data[i];
    job.tensors.push_back(t);
  }
  const auto done = stillroom::run(*pool, job);

  napi_value answer;
  ok(napi_create_object(env, &answer));
  ok(napi_create_double(env, done.norm, &value));
  ok(napi_set_named_property(env, answer, "norm", value));
  ok(napi_get_boolean(env, done.finite, &value));
  ok(napi_set_named_property(env, answer, "finite", value));
  ok(napi_get_boolean(env, done.applied, &value));
  ok(napi_set_named_property(env, answer, "applied", value));
  return answer;
}

napi_value copy(napi_env env, napi_value o) {
  napi_value value;
  ok(napi_get_named_property(env, o, "to", &value));
  const Floats to = floats(env, value, "to");
  ok(napi_get_named_property(env, o, "from", &value));
  const Floats from = floats(env, value, "from");
  if (to.length != from.length) throw Refused{"to, from: expected the same length"};
  const double threads = number(env, o, "threads"), piece = number(env, o, "piece");
  stillroom::copy(*pool, reinterpret_cast<char *>(to.data), reinterpret_cast<const char *>(from.data), to.length * sizeof(float),
                  threads < 1 ? 1 : static_cast<size_t>(threads), piece < 4096 ? 4096 : static_cast<size_t>(piece));
  return nullptr;
}

/// Calls with the one argument; what goes wrong becomes an exception of JavaScript.
template <napi_value (*Body)(napi_env, napi_value)>
napi_value guarded(napi_env env, napi_callback_info info) {
  try {
    size_t count = 1;
    napi_value argument;
    ok(napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr));
    napi_valuetype type;
    ok(napi_typeof(env, argument, &type));
    if (count < 1 || type != napi_object) throw Refused{"expected an object"};
    return Body(env, argument);
  } catch (const Refused &r) {
    bool pending = false;
    napi_is_exception_pending(env, &pending);
    if (!pending) napi_throw_type_error(env, nullptr, r.what.empty() ? "a Node-API call failed" : r.what.c_str());
  } catch (const std::exception &e) {
    napi_throw_error(env, nullptr, e.what());
  }
  return nullptr;
}

napi_value start(napi_env env, napi_value exports) {
  {
    std::lock_guard<std::mutex> hold(door);
    if (!pool) pool = new Pool;
    users++;
  }
  napi_add_env_cleanup_hook(env, leave, nullptr);
  napi_value value;
  napi_create_function(env, "update", NAPI_AUTO_LENGTH, guarded<update>, nullptr, &value);
  napi_set_named_property(env, exports, "update", value);
  napi_create_function(env, "copy", NAPI_AUTO_LENGTH, guarded<copy>, nullptr, &value);
  napi_set_named_property(env, exports, "copy", value);
  napi_value list;
  napi_create_array(env, &list);
  uint32_t i = 0;
  for (const auto *k : stillroom::usable()) {
    napi_create_string_utf8(env, k->name, NAPI_AUTO_LENGTH, &value);
    napi_set_element(env, list, i++, value);
  }
  napi_set_named_property(env, exports, "isas", list);
  // Raised with every change of what the functions take: the engine uses no binary that was built for another number.
  napi_create_uint32(env, 2, &value);
  napi_set_named_property(env, exports, "abi", value);
  return exports;
}

}  // namespace

NAPI_MODULE_INIT() { return start(env, exports); }
