// The resampling ops on the CPU. Threads share out resamples and ranges of items; no sum is divided.
#include "../judging_inputs.h"
#include "host_values.h"
#include "parallel.h"

namespace calibench {
namespace {

constexpr int64_t kRangesOfTask = 256;
constexpr int64_t kAlone = 1 << 18;

Tensor resample_counts(const Tensor& like, int64_t samples, int64_t first, int64_t resamples, int64_t seed) {
  const int64_t lanes = check_resamples(samples, first, resamples);
  Tensor counts = new_tensor<2>(like, {samples, lanes}, ScalarType::Byte);
  uint8_t* out = data<uint8_t>(counts);
  const Kernels& table = selected_kernels();
  run_tasks(lanes / kDrawn, [&](const auto& next_task) {
    std::vector<uint8_t> rows(static_cast<size_t>(kDrawn * samples));
    for (int64_t task = next_task(); task >= 0; task = next_task()) {
      for (int64_t r = 0; r < kDrawn; ++r) {
        const int64_t b = task * kDrawn + r;
        uint8_t* row = rows.data() + r * samples;
        if (b < resamples) {
          table.count_draws(samples, seed, first + b, row);
        } else {
          std::fill(row, row + samples, uint8_t{0});
        }
      }
      table.interleave(rows.data(), samples, out + task * kDrawn, lanes);
    }
  });
  return counts;
}

Tensor resample_sums(const Tensor& counts, const Tensor& places, const std::vector<Tensor>& columns,
                     const Tensor& ends) {
  const int64_t num_columns = static_cast<int64_t>(columns.size()), ranges = ends.numel();
  const int64_t items = items_of(counts, places, columns);
  const ResampledCounts weights = check_counts(HostValues{}, counts, places, items);
  const int64_t* end = check_ends(HostValues{}, ends, items);
  const std::vector<Column> checked = check_columns(columns, items);
  Tensor sums = new_tensor<3>(counts, {ranges, num_columns + 1, weights.lanes}, ScalarType::Double);
  const ResampleSumsArgs args{weights, checked.data(), num_columns, end, data<double>(sums)};
  const Kernels& table = selected_kernels();
  const int64_t groups = weights.lanes / kLanes, step = std::clamp(ranges / 16, int64_t{1}, kRangesOfTask);
  run_tasks(groups * ((ranges + step - 1) / step), [&](const auto& next_task) {
    std::vector<double> scratch(static_cast<size_t>(kTile * (kLanes + num_columns)));
    for (int64_t task = next_task(); task >= 0; task = next_task()) {
      const int64_t from = task / groups * step;
      table.resample_sums(args, from, std::min(ranges, from + step), task % groups * kLanes, scratch.data());
    }
  });
  return sums;
}

Tensor resample_risks(const Tensor& counts, const Tensor& places, const Tensor& wrong, const Tensor& ends) {
  check_wrong(wrong);
  const ResampledCounts weights = check_counts(HostValues{}, counts, places, wrong.size(0));
  const int64_t* end = check_ends(HostValues{}, ends, wrong.size(0));
  Tensor risks = new_tensor<2>(counts, {4, weights.lanes}, ScalarType::Double);
  const ResampleRisksArgs args{weights, static_cast<const uint8_t*>(wrong.const_data_ptr()), end,
                               ends.numel(), data<double>(risks)};
  const Kernels& table = selected_kernels();
  run_tasks(weights.lanes / kLanes, [&](const auto& next_task) {
    for (int64_t task = next_task(); task >= 0; task = next_task()) table.resample_risks(args, task * kLanes);
  });
  return risks;
}

Tensor resample_group_sums(const Tensor& counts, const Tensor& places, const std::vector<Tensor>& columns,
                           const Tensor& ends) {
  CALIBENCH_CHECK(!columns.empty(), "there are no columns");
  const int64_t items = items_of(counts, places, columns);
  const ResampledCounts weights = check_counts(HostValues{}, counts, places, items);
  const std::vector<Column> checked = check_columns(columns, items);
  check_group_ends(ends, weights.lanes);
  Tensor sums = new_tensor<2>(counts, {ends.size(0), weights.lanes}, ScalarType::Double);
  const GroupSumArgs args{weights,
                          checked.data(),
                          static_cast<int64_t>(checked.size()),
                          items,
                          static_cast<const double*>(ends.const_data_ptr()),
                          ends.size(0),
                          data<double>(sums)};
  const Kernels& table = selected_kernels();
  run_tasks(weights.lanes / 8, [&](const auto& next_task) {
    for (int64_t task = next_task(); task >= 0; task = next_task()) table.group_sums(args, task * 8);
  });
  return sums;
}

Tensor resample_class_errors(const Tensor& counts, const Tensor& entries, const Tensor& gaps,
                             const Tensor& cell_ends, const Tensor& totals) {
  ClassErrorArgs args = check_class_errors(HostValues{}, counts, entries, gaps, cell_ends, totals);
  const int64_t P = args.entries.lanes;
  Tensor errors = new_tensor<1>(counts, {P}, ScalarType::Double);
  args.errors = data<double>(errors);
  const Kernels& table = selected_kernels();
  run_tasks(P / kLanes, [&](const auto& next_task) {
    for (int64_t task = next_task(); task >= 0; task = next_task()) table.class_errors(args, task * kLanes);
  });
  return errors;
}

Tensor gap_sizes(const Tensor& labels, const Tensor& offset, const Tensor& factor) {
  check_gap_sizes(labels, offset, factor);
  const int64_t cells = labels.size(0), P = labels.size(1);
  Tensor sizes = new_tensor<1>(offset, {P}, ScalarType::Double);
  const Kernels& table = selected_kernels();
  // A few draws of a few cells are added up before another thread would have begun.
  const int64_t together = cells * P < kAlone ? std::max<int64_t>(1, P / 8) : 1;
  run_tasks((P / 8 + together - 1) / together, [&](const auto& next_task) {
    for (int64_t task = next_task(); task >= 0; task = next_task()) {
      for (int64_t group = task * together; group < std::min(P / 8, (task + 1) * together); ++group)
        table.gap_sizes(static_cast<const int32_t*>(labels.const_data_ptr()), cells, P,
                        static_cast<const double*>(offset.const_data_ptr()),
                        static_cast<const double*>(factor.const_data_ptr()), group * 8, data<double>(sizes));
    }
  });
  return sizes;
}

}  // namespace
}  // namespace calibench

CALIBENCH_CPU_OPERATORS(m) {
  m.impl("resample_counts", CALIBENCH_BOX(&calibench::resample_counts));
  m.impl("resample_sums", CALIBENCH_BOX(&calibench::resample_sums));
  m.impl("resample_risks", CALIBENCH_BOX(&calibench::resample_risks));
  m.impl("resample_group_sums", CALIBENCH_BOX(&calibench::resample_group_sums));
  m.impl("resample_class_errors", CALIBENCH_BOX(&calibench::resample_class_errors));
  m.impl("gap_sizes", CALIBENCH_BOX(&calibench::gap_sizes));
}
