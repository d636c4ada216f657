// Chunks of rows over torch's thread pool, with the lowest bad row of all.
#pragma once

#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "../core/instruction_set.h"
#include "../core/kernels.h"
#include "../inputs.h"

namespace calibench {

// The serving table; an instruction set that was asked for by name and cannot run is an error, not a slower
// answer.
inline const Kernels& serving_kernels() {
  CALIBENCH_CHECK(refused_instruction_set() == nullptr, "CALIBENCH_ISA=", refused_instruction_set(),
                  " cannot run here; this processor runs ", usable_instruction_sets());
  return kernels();
}

// Calls work(next) once on every thread of torch's pool; next() gives the pieces 0 .. count - 1, each to one
// caller, then -1. A thread that another program holds up takes fewer: halves made beforehand would all wait
// for it.
template <typename Work>
void share(int64_t count, const Work& work) {
  std::atomic<int64_t> taken{0};
  const auto next = [&] {
    const int64_t piece = taken.fetch_add(1, std::memory_order_relaxed);
    return piece < count ? piece : int64_t{-1};
  };
  torch::stable::parallel_for(0, count, 1, [&](int64_t, int64_t) { work(next); });
}

// Calls work(chunk, begin, end, scratch) for every chunk of `step` rows. Nothing may throw inside: bad rows
// are noted.
template <typename Work>
void for_chunks(int64_t rows, int64_t step, int64_t classes, const Work& work) {
  share((rows + step - 1) / step, [&](const auto& next) {
    const std::unique_ptr<char[]> memory(
        new char[scratch_bytes(classes) + 64]);  // not zeroed, unlike a vector
    char* scratch = memory.get() + (64 - reinterpret_cast<uintptr_t>(memory.get()) % 64);
    for (int64_t c = next(); c >= 0; c = next()) work(c, c * step, std::min(rows, (c + 1) * step), scratch);
  });
}

// Fails with the lowest bad row, if there is one.
inline void fail_if_bad(const std::vector<int64_t>& first_bad, const LabelView* labels, int64_t classes) {
  const auto lowest = std::min_element(first_bad.begin(), first_bad.end());
  if (lowest == first_bad.end() || *lowest == kNoBadRow) return;
  fail_row(*lowest, labels == nullptr ? 0 : labels->at(bad_row_index(*lowest)), classes);
}

// The values of a checked vector.
inline std::vector<double> read_vector(const Tensor& values) {
  std::vector<double> out(static_cast<size_t>(values.numel()));
  const double* from = static_cast<const double*>(values.const_data_ptr());
  for (size_t i = 0; i < out.size(); ++i) out[i] = from[static_cast<int64_t>(i) * values.stride(0)];
  return out;
}

inline Tensor no_fault(const Tensor& like) {
  Tensor fault = new_fault(like);
  data<int64_t>(fault)[0] = kNoBadRow;
  data<int64_t>(fault)[1] = 0;
  return fault;
}

}  // namespace calibench
