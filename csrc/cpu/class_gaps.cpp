// resample_class_gaps on the CPU: each thread adds up tiles of rows in sums of its own. The sums are whole
// numbers, so their order does not matter.
#include <cmath>
#include <mutex>

#include "../judging_inputs.h"
#include "host_values.h"
#include "parallel.h"

namespace calibench {
namespace {

Tensor resample_class_gaps(const Tensor& counts, const Tensor& places, const Tensor& scores,
                           const Tensor& labels, bool from_probs) {
  const ClassGapArgs args = check_class_gaps(HostValues{}, counts, places, scores, labels, from_probs);
  const int64_t K = args.rows.scores.classes, size = K * args.lanes, items = args.rows.count;
  std::vector<int64_t> total(static_cast<size_t>(size));
  const Kernels& table = selected_kernels();
  std::mutex guard;
  run_tasks((items + kClassRows - 1) / kClassRows, [&](const auto& next_task) {
    std::vector<int64_t> sums(static_cast<size_t>(size));
    std::vector<char> memory(static_cast<size_t>(class_gap_scratch(K, args.lanes) + 64));
    char* scratch = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64);
    for (int64_t task = next_task(); task >= 0; task = next_task()) {
      const int64_t begin = task * kClassRows;
      table.class_gaps(args, begin, std::min(items, begin + kClassRows), sums.data(), scratch);
    }
    const std::lock_guard<std::mutex> lock(guard);
    for (size_t i = 0; i < sums.size(); ++i) total[i] += sums[i];
  });
  Tensor out = new_tensor<2>(scores, {K, args.lanes}, ScalarType::Double);
  for (int64_t i = 0; i < size; ++i) {
    data<double>(out)[i] = std::ldexp(static_cast<double>(total[static_cast<size_t>(i)]), -kClassBits);
  }
  return out;
}

}  // namespace
}  // namespace calibench

CALIBENCH_CPU_OPERATORS(m) { m.impl("resample_class_gaps", CALIBENCH_BOX(&calibench::resample_class_gaps)); }
