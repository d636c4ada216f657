// label_draws on the CPU: each thread counts labels in tables of its own, which are added up. Counts are
// whole numbers, so their order does not matter.
#include <mutex>

#include "../judging_inputs.h"
#include "host_values.h"
#include "parallel.h"

namespace calibench {
namespace {

constexpr int64_t kItemsOfTask = 64;  // even

std::tuple<Tensor, Tensor> label_draws(const Tensor& scores, bool from_probs, int64_t bins,
                                       const Tensor& factors, const Tensor& rows, const Tensor& cells,
                                       int64_t num_cells, int64_t first, int64_t draws, int64_t seed) {
  const ClassRows class_rows = check_rows(HostValues{}, scores, from_probs, bins, &factors, &rows);
  const LabelDrawArgs checked =
      check_label_draws(HostValues{}, class_rows, cells, num_cells, first, draws, seed);
  const int64_t items = class_rows.count, lanes = checked.lanes;
  const int64_t right_size = num_cells * lanes, label_size = class_rows.scores.classes * bins * lanes;
  Tensor right = new_tensor<2>(scores, {num_cells, lanes}, ScalarType::Int);
  Tensor labels = new_tensor<2>(scores, {class_rows.scores.classes * bins, lanes}, ScalarType::Int);
  int32_t* right_out = data<int32_t>(right);
  int32_t* labels_out = data<int32_t>(labels);
  std::fill(right_out, right_out + right_size, 0);
  std::fill(labels_out, labels_out + label_size, 0);

  const Kernels& table = selected_kernels();
  std::mutex guard;
  bool outputs_taken = false;  // by the first thread; the others have tables of their own
  std::vector<std::pair<std::vector<int32_t>, std::vector<int32_t>>> private_tables;
  run_tasks((items + kItemsOfTask - 1) / kItemsOfTask, [&](const auto& next_task) {
    LabelDrawArgs args = checked;
    args.right = right_out;
    args.labels = labels_out;
    std::vector<int32_t> own_right, own_labels;
    {
      const std::lock_guard<std::mutex> lock(guard);
      if (outputs_taken) {
        own_right.resize(static_cast<size_t>(right_size));
        own_labels.resize(static_cast<size_t>(label_size));
        args.right = own_right.data();
        args.labels = own_labels.data();
      }
      outputs_taken = true;
    }
    std::vector<double> scratch(static_cast<size_t>(2 * row_scratch(class_rows.scores.classes)));
    for (int64_t task = next_task(); task >= 0; task = next_task()) {
      const int64_t begin = task * kItemsOfTask;
      table.label_draws(args, begin, std::min(items, begin + kItemsOfTask), scratch.data());
    }
    if (args.right == right_out) return;
    const std::lock_guard<std::mutex> lock(guard);
    private_tables.emplace_back(std::move(own_right), std::move(own_labels));
  });
  for (const auto& [own_right, own_labels] : private_tables) {
    for (size_t i = 0; i < own_right.size(); ++i) right_out[i] += own_right[i];
    for (size_t i = 0; i < own_labels.size(); ++i) labels_out[i] += own_labels[i];
  }
  return {right, labels};
}

}  // namespace
}  // namespace calibench

CALIBENCH_CPU_OPERATORS(m) { m.impl("label_draws", CALIBENCH_BOX(&calibench::label_draws)); }
