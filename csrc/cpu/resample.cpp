// The resampling ops on the CPU. Threads share out resamples and ranges of items; no sum is divided.
#include <climits>

#include "parallel.h"

namespace calibench {
namespace {

constexpr int64_t kRangesOfTask = 256;
constexpr int64_t kAlone = 1 << 18;

Tensor resample_counts(const Tensor& like, int64_t samples, int64_t first, int64_t resamples, int64_t seed) {
  CALIBENCH_CHECK(samples >= 0 && samples <= INT_MAX, "samples is ", samples, ", not in [0, 2^31)");
  CALIBENCH_CHECK(first >= 0 && first <= kMostFirst, "first is ", first, ", not in [0, 2^62]");
  CALIBENCH_CHECK(resamples >= 0 && resamples <= INT_MAX, "resamples is ", resamples, ", not in [0, 2^31)");
  const int64_t lanes = (resamples + kLanes - 1) / kLanes * kLanes;
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

NumberType number_type(const Tensor& column) {
  switch (column.scalar_type()) {
    case ScalarType::Double:
      return NumberType::kFloat64;
    case ScalarType::Float:
      return NumberType::kFloat32;
    case ScalarType::Int:
      return NumberType::kFixed;
    case ScalarType::Bool:
      return NumberType::kBool;
    default:
      fail("columns have type ", type_name(column),
           ", not float64, float32, int32 or bool");
  }
}

// Checks counts and places, and that `ends` int64 [S] rise from 0 to at most the number of items, L.
ResampledCounts check_counts(const Tensor& counts, const Tensor& places, const Tensor& ends, int64_t items) {
  CALIBENCH_CHECK(counts.scalar_type() == ScalarType::Byte && counts.dim() == 2 && counts.is_contiguous() &&
                      counts.size(1) % kLanes == 0,
                  "counts are not contiguous uint8 [n, P], P a multiple of ", kLanes);
  CALIBENCH_CHECK(places.scalar_type() == ScalarType::Int && places.dim() == 1 && places.is_contiguous(),
                  "places are not contiguous int32 [L]");
  CALIBENCH_CHECK(ends.scalar_type() == ScalarType::Long && ends.dim() == 1 && ends.is_contiguous(),
                  "ends are not contiguous int64 [S]");
  const int32_t* place = static_cast<const int32_t*>(places.const_data_ptr());
  const int64_t samples = counts.size(0), length = places.numel();
  CALIBENCH_CHECK(length == items || (length == 0 && samples >= items), "places have the wrong length: [",
                  items, "] expected");
  bool inside = true;
  for (int64_t l = 0; l < length; ++l) inside &= place[l] >= 0 && place[l] < samples;
  CALIBENCH_CHECK(inside, "places are not rows of the counts");
  const int64_t* end = static_cast<const int64_t*>(ends.const_data_ptr());
  int64_t last = 0;
  for (int64_t s = 0; s < ends.numel(); ++s) {
    CALIBENCH_CHECK(end[s] >= last && end[s] <= items, "ends do not rise from 0 to the number of items");
    last = end[s];
  }
  return {static_cast<const uint8_t*>(counts.const_data_ptr()), counts.size(1),
          length == 0 ? nullptr : place};
}

// Columns of as many numbers as there are items.
std::vector<Column> check_columns(const std::vector<Tensor>& columns, int64_t items) {
  std::vector<Column> checked;
  for (const Tensor& column : columns) {
    CALIBENCH_CHECK(column.dim() == 1 && column.is_contiguous() && column.size(0) == items,
                    "columns are not contiguous [L], L = ", items);
    checked.push_back({column.const_data_ptr(), number_type(column)});
  }
  return checked;
}

// The number of items: the length of the places, or of the columns, or of all samples.
int64_t items_of(const Tensor& counts, const Tensor& places, const std::vector<Tensor>& columns) {
  if (!columns.empty() && columns[0].dim() == 1) return columns[0].size(0);
  return places.numel() > 0 ? places.numel() : counts.size(0);
}

Tensor resample_sums(const Tensor& counts, const Tensor& places, const std::vector<Tensor>& columns,
                     const Tensor& ends) {
  const int64_t num_columns = static_cast<int64_t>(columns.size()), ranges = ends.numel();
  const int64_t items = items_of(counts, places, columns);
  const ResampledCounts weights = check_counts(counts, places, ends, items);
  const std::vector<Column> checked = check_columns(columns, items);
  Tensor sums = new_tensor<3>(counts, {ranges, num_columns + 1, weights.lanes}, ScalarType::Double);
  const ResampleSumsArgs args{weights, checked.data(), num_columns,
                              static_cast<const int64_t*>(ends.const_data_ptr()), data<double>(sums)};
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
  CALIBENCH_CHECK(wrong.scalar_type() == ScalarType::Bool && wrong.dim() == 1 && wrong.is_contiguous(),
                  "wrong is not contiguous bool [L]");
  const ResampledCounts weights = check_counts(counts, places, ends, wrong.size(0));
  Tensor risks = new_tensor<2>(counts, {4, weights.lanes}, ScalarType::Double);
  const ResampleRisksArgs args{weights, static_cast<const uint8_t*>(wrong.const_data_ptr()),
                               static_cast<const int64_t*>(ends.const_data_ptr()), ends.numel(),
                               data<double>(risks)};
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
  const ResampledCounts weights =
      check_counts(counts, places, new_tensor<1>(counts, {0}, ScalarType::Long), items);
  const std::vector<Column> checked = check_columns(columns, items);
  CALIBENCH_CHECK(ends.scalar_type() == ScalarType::Double && ends.is_contiguous() && ends.dim() == 2 &&
                      ends.size(0) >= 1 && ends.size(1) == weights.lanes,
                  "ends are not contiguous float64 [M, P]");
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
  CALIBENCH_CHECK(gaps.scalar_type() == ScalarType::Int && gaps.dim() == 1 && gaps.is_contiguous() &&
                      gaps.size(0) == entries.numel(),
                  "gaps are not contiguous int32 [E]");
  const ResampledCounts of_entries = check_counts(counts, entries, cell_ends, entries.numel());
  const int64_t P = of_entries.lanes;
  CALIBENCH_CHECK(totals.scalar_type() == ScalarType::Double && totals.is_contiguous() && totals.dim() == 2 &&
                      totals.size(0) >= 1 && totals.size(1) == P,
                  "totals are not contiguous float64 [K, P]");
  const int64_t classes = totals.size(0);
  CALIBENCH_CHECK(cell_ends.numel() % classes == 0 && cell_ends.numel() > 0, "cell_ends are not [K, M]");
  Tensor errors = new_tensor<1>(counts, {P}, ScalarType::Double);
  const ClassErrorArgs args{of_entries,
                            static_cast<const int32_t*>(gaps.const_data_ptr()),
                            static_cast<const int64_t*>(cell_ends.const_data_ptr()),
                            classes,
                            cell_ends.numel() / classes,
                            static_cast<const double*>(totals.const_data_ptr()),
                            data<double>(errors)};
  const Kernels& table = selected_kernels();
  run_tasks(P / kLanes, [&](const auto& next_task) {
    for (int64_t task = next_task(); task >= 0; task = next_task()) table.class_errors(args, task * kLanes);
  });
  return errors;
}

Tensor gap_sizes(const Tensor& labels, const Tensor& offset, const Tensor& factor) {
  CALIBENCH_CHECK(labels.scalar_type() == ScalarType::Int && labels.dim() == 2 && labels.is_contiguous() &&
                      labels.size(1) % 8 == 0,
                  "labels are not contiguous int32 [C, P], P a multiple of 8");
  const int64_t cells = labels.size(0), P = labels.size(1);
  for (const Tensor* values : {&offset, &factor}) {
    CALIBENCH_CHECK(values->scalar_type() == ScalarType::Double && values->dim() == 1 &&
                        values->is_contiguous() && values->size(0) == cells,
                    "offset and factor are not contiguous float64 [C]");
  }
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
