// resample_class_gaps on the CPU: each thread adds up tiles of rows in sums of its own. The sums are whole
// numbers, so their order does not matter.
#include <cmath>
#include <mutex>

#include "class_rows.h"

namespace calibench {
namespace {

// Labels outside [0, K) would be written beyond the row.
LabelView check_class_labels(const Tensor& labels, const Tensor& scores) {
  const LabelView view = check_labels(labels, scores);
  bool inside = true;
  for (int64_t i = 0; i < labels.size(0); ++i) inside &= view.at(i) >= 0 && view.at(i) < scores.size(1);
  CALIBENCH_CHECK(inside, "labels are not all in [0, ", scores.size(1), ")");
  return view;
}

Tensor resample_class_gaps(const Tensor& counts, const Tensor& places, const Tensor& scores,
                           const Tensor& labels, bool from_probs) {
  const Tensor none = new_tensor<1>(scores, {0}, ScalarType::Double);
  const Tensor all = new_tensor<1>(scores, {0}, ScalarType::Int);
  ClassGapArgs args{};
  args.rows = check_rows(scores, from_probs, 1, none, all);
  args.labels = check_class_labels(labels, scores);
  CALIBENCH_CHECK(counts.scalar_type() == ScalarType::Byte && counts.dim() == 2 && counts.is_contiguous() &&
                      counts.size(1) % kLanes == 0,
                  "counts are not contiguous uint8 [n, P], P a multiple of ", kLanes);
  args.counts = static_cast<const uint8_t*>(counts.const_data_ptr());
  args.lanes = counts.size(1);
  args.places = check_indices(places, "places", args.rows.count, counts.size(0));
  CALIBENCH_CHECK(args.places != nullptr || counts.size(0) >= args.rows.count, "places are missing");
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
