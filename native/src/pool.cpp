#include "pool.h"

#include <system_error>

namespace stillroom {

Pool::~Pool() {
  {
    std::lock_guard<std::mutex> hold(lock);
    ending = true;
  }
  wake.notify_all();
  for (auto &worker : workers) worker.join();
}

void Pool::take() {
  for (size_t i = next.fetch_add(1, std::memory_order_relaxed); i < count; i = next.fetch_add(1, std::memory_order_relaxed)) (*job)(i);
}

void Pool::loop() {
  std::unique_lock<std::mutex> hold(lock);
  for (;;) {
    wake.wait(hold, [this] { return ending || wanted > 0; });
    if (ending) return;
    wanted--;
    working++;
    hold.unlock();
    take();
    hold.lock();
    if (--working == 0) idle.notify_one();
  }
}

void Pool::run(size_t threads, size_t n, const std::function<void(size_t)> &work) {
  std::unique_lock<std::mutex> alone(busy, std::defer_lock);
  if (threads < 2 || n < 2 || !alone.try_lock()) {
    for (size_t i = 0; i < n; i++) work(i);
    return;
  }
  const size_t helpers = (threads < n ? threads : n) - 1;
  {
    std::lock_guard<std::mutex> hold(lock);
    try {
      while (workers.size() < helpers) workers.emplace_back([this] { loop(); });
    } catch (const std::system_error &) {
      // The system gives no more threads: those that are there do the work.
    }
    job = &work;
    count = n;
    next.store(0, std::memory_order_relaxed);
    wanted = helpers;
  }
  wake.notify_all();
  take();
  std::unique_lock<std::mutex> hold(lock);
  wanted = 0;  // who has not come by now need not
  idle.wait(hold, [this] { return working == 0; });
  job = nullptr;
}

}  // namespace stillroom
