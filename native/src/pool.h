// A few threads that sleep between jobs.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace stillroom {

class Pool {
 public:
  ~Pool();
  /// Calls `work(i)` for all i < count on up to `threads` threads, the caller's among them. Which thread takes which i is open. One job at a
  /// time: a second caller (another JavaScript thread) works alone meanwhile. `work` must not throw.
  void run(size_t threads, size_t count, const std::function<void(size_t)> &work);

 private:
  void loop();
  void take();

  std::mutex busy;
  std::mutex lock;
  std::condition_variable wake;
  std::condition_variable idle;
  std::vector<std::thread> workers;
  const std::function<void(size_t)> *job = nullptr;
  std::atomic<size_t> next{0};
  size_t count = 0;
  size_t wanted = 0;   // workers that may still join the job
  size_t working = 0;  // workers in the job
  bool ending = false;
};

}  // namespace stillroom
