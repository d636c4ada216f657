// Runs chunks of rows on the threads of the door (torch's pool, or arrays/threads.h) and reports the lowest
// bad row.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "../core/instruction_set.h"
#include "../core/kernels.h"
#include "../inputs.h"

namespace calibench {

// The kernel table in use. Fails if CALIBENCH_ISA names an instruction set that cannot run here: a slower one
// does not replace it silently.
inline const Kernels& selected_kernels() {
  CALIBENCH_CHECK(refused_instruction_set() == nullptr, "CALIBENCH_ISA=", refused_instruction_set(),
                  " cannot run here; this processor runs ", usable_instruction_sets());
  return kernels();
}

// Calls work(next_task) once on every thread. next_task() returns the tasks 0 .. count - 1,
// each to one caller, and then -1. A thread that another program slows down takes fewer tasks; with a fixed
// division all threads would wait for it.
template <typename Work>
void run_tasks(int64_t count, const Work& work) {
  std::atomic<int64_t> next_index{0};
  const auto next_task = [&] {
    const int64_t task = next_index.fetch_add(1, std::memory_order_relaxed);
    return task < count ? task : int64_t{-1};
  };
  parallel_for(0, count, 1, [&](int64_t, int64_t) { work(next_task); });
}

// Calls work(chunk, begin, end, scratch) for every chunk of `step` rows. `work`
// must not throw; it records bad rows instead.
template <typename Work>
void for_chunks(int64_t rows, int64_t step, int64_t classes, const Work& work) {
  run_tasks((rows + step - 1) / step, [&](const auto& next_task) {
    const std::unique_ptr<char[]> memory(new char[scratch_bytes(classes) + 64]);  // a vector would be zeroed
    char* scratch = memory.get() + (64 - reinterpret_cast<uintptr_t>(memory.get()) % 64);
    for (int64_t c = next_task(); c >= 0; c = next_task()) {
      work(c, c * step, std::min(rows, (c + 1) * step), scratch);
    }
  });
}

// Fails with the lowest bad row, if there is one. `labels` is null for ops without labels.
inline void fail_if_bad(const std::vector<int64_t>& first_bad, const LabelView* labels, int64_t classes) {
  const auto lowest = std::min_element(first_bad.begin(), first_bad.end());
  if (lowest == first_bad.end() || *lowest == kNoBadRow) return;
  fail_row(*lowest, labels == nullptr ? 0 : labels->at(bad_row_index(*lowest)), classes);
}

// Copies a checked vector.
inline std::vector<double> read_vector(const Tensor& values) {
  std::vector<double> out(static_cast<size_t>(values.numel()));
  const double* source = static_cast<const double*>(values.const_data_ptr());
  for (size_t i = 0; i < out.size(); ++i) out[i] = source[static_cast<int64_t>(i) * values.stride(0)];
  return out;
}

inline Tensor no_fault(const Tensor& like) {
  Tensor fault = new_fault(like);
  data<int64_t>(fault)[0] = kNoBadRow;
  data<int64_t>(fault)[1] = 0;
  return fault;
}

}  // namespace calibench
