#include "threads.h"

#include <pthread.h>
#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

namespace calibench {
namespace {

// std::condition_variable::wait of gcc 12 is of GLIBCXX_3.4.30, which RHEL 9 lacks: a wheel could not run
// there.
class Condition {
 public:
  template <typename Ready>
  void wait(std::unique_lock<std::mutex>& lock, const Ready& ready) {
    while (!ready()) pthread_cond_wait(&condition_, lock.mutex()->native_handle());
  }
  void notify_one() { pthread_cond_signal(&condition_); }
  void notify_all() { pthread_cond_broadcast(&condition_); }

 private:
  pthread_cond_t condition_ = PTHREAD_COND_INITIALIZER;
};

// One call. Its pieces are numbered; the pool's mutex guards `next` and `error`.
struct Job {
  const std::function<void(int64_t)>& work;
  int64_t pieces;
  int64_t next = 0;
  std::exception_ptr error = nullptr;
  std::atomic<int64_t> running{0};  // threads of the pool in a piece
};

class Pool {
 public:
  // Runs all pieces; false, and nothing is done, while another call has the threads. The caller takes pieces
  // too, and waits only for those that have begun: a short call does not wait until a thread wakes up.
  bool run(Job& job) {
    const std::unique_lock<std::mutex> alone(busy_, std::try_to_lock);
    if (!alone.owns_lock()) return false;
    std::unique_lock<std::mutex> lock(guard_);
    start_threads(job.pieces - 1);
    job_ = &job;
    lock.unlock();
    wake_.notify_all();
    lock.lock();
    while (job.next < job.pieces) run_piece(job, lock);
    job_ = nullptr;
    lock.unlock();
    // The last tasks of the others take microseconds: to sleep and to be woken would take longer.
    for (int turn = 0; turn < kTurns && job.running.load(std::memory_order_acquire) > 0; ++turn) pause();
    lock.lock();
    done_.wait(lock, [&] { return job.running.load(std::memory_order_acquire) == 0; });
    return true;
  }

 private:
  static constexpr int kTurns = 1000;

  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }

  // With fewer threads than asked for, if the system gives no more.
  void start_threads(int64_t count) {
    try {
      for (; started_ < count; ++started_) std::thread([this] { serve(); }).detach();
    } catch (const std::system_error&) {
    }
  }

  [[noreturn]] void serve() {
    std::unique_lock<std::mutex> lock(guard_);
    for (;;) {
      wake_.wait(lock, [&] { return job_ != nullptr && job_->next < job_->pieces; });
      Job& job = *job_;
      job.running.fetch_add(1, std::memory_order_relaxed);
      run_piece(job, lock);
      // The caller may return, and the job end, as soon as nobody runs.
      if (job.running.fetch_sub(1, std::memory_order_release) == 1) done_.notify_one();
    }
  }

  // Takes the lock away while the piece runs.
  static void run_piece(Job& job, std::unique_lock<std::mutex>& lock) {
    const int64_t piece = job.next++;
    lock.unlock();
    std::exception_ptr error;
    try {
      job.work(piece);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (job.error == nullptr) job.error = error;
  }

  std::mutex busy_;
  std::mutex guard_;
  Condition wake_;
  Condition done_;
  Job* job_ = nullptr;
  int64_t started_ = 0;
};

Pool* current_pool = nullptr;

// Never destroyed: its threads wait in it when the process ends. A fork has none of them, so it begins anew.
Pool& pool() {
  static const bool created = [] {
    current_pool = new Pool;
    pthread_atfork(nullptr, nullptr, [] { current_pool = new Pool; });
    return true;
  }();
  static_cast<void>(created);
  return *current_pool;
}

int64_t processors() {
#if defined(__linux__)
  cpu_set_t usable;
  if (sched_getaffinity(0, sizeof(usable), &usable) == 0) return CPU_COUNT(&usable);
#endif
  return std::max<int64_t>(1, std::thread::hardware_concurrency());
}

int64_t default_threads() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  const int64_t asked = text == nullptr ? 0 : std::strtoll(text, nullptr, 10);
  return asked > 0 ? asked : processors();
}

std::atomic<int64_t>& thread_count() {
  static std::atomic<int64_t> count{default_threads()};
  return count;
}

}  // namespace

int64_t threads() { return thread_count().load(std::memory_order_relaxed); }

void set_threads(int64_t count) { thread_count().store(count, std::memory_order_relaxed); }

void parallel_for(int64_t begin, int64_t end, int64_t grain,
                  const std::function<void(int64_t, int64_t)>& work) {
  if (begin >= end) return;
  const int64_t size = end - begin;
  const int64_t pieces = std::min(threads(), (size + grain - 1) / grain);
  const int64_t step = (size + pieces - 1) / pieces;
  const std::function<void(int64_t)> run_piece = [&](int64_t piece) {
    const int64_t first = begin + piece * step;
    if (first < end) work(first, std::min(end, first + step));
  };
  Job job{run_piece, pieces};
  if (pieces == 1 || !pool().run(job)) {
    work(begin, end);
  } else if (job.error != nullptr) {
    std::rethrow_exception(job.error);
  }
}

}  // namespace calibench
