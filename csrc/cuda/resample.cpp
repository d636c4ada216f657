// Registers the resampling ops on CUDA: checks the tensors, allocates the outputs and calls the .cu files.
#include "resample.h"

#include "../judging_inputs.h"
#include "device_values.h"

namespace calibench {
namespace {

Tensor resample_counts(const Tensor& like, int64_t samples, int64_t first, int64_t resamples, int64_t seed) {
  const int64_t lanes = check_resamples(samples, first, resamples);
  const Call call(like);
  Tensor counts = new_tensor<2>(like, {samples, lanes}, ScalarType::Byte);
  cuda_check(count_resamples(samples, first, resamples, seed, lanes, data<uint8_t>(counts), call.stream),
             "resample_counts");
  return counts;
}

void check_columns_device(const Tensor& counts, const std::vector<Tensor>& columns) {
  for (const Tensor& column : columns) check_one_device({"counts", counts}, {{"columns", column}});
}

Tensor resample_sums(const Tensor& counts, const Tensor& places, const std::vector<Tensor>& columns,
                     const Tensor& ends) {
  check_one_device({"counts", counts}, {{"places", places}, {"ends", ends}});
  check_columns_device(counts, columns);
  const Call call(counts);
  const DeviceValues values(call, counts);
  const int64_t num_columns = static_cast<int64_t>(columns.size()), ranges = ends.numel();
  const int64_t items = items_of(counts, places, columns);
  const ResampledCounts weights = check_counts(values, counts, places, items);
  const int64_t* end = check_ends(values, ends, items);
  const std::vector<Column> checked = check_columns(columns, items);
  Tensor sums = new_tensor<3>(counts, {ranges, num_columns + 1, weights.lanes}, ScalarType::Double);
  const ResampleSumsArgs args{weights, checked.data(), num_columns, end, data<double>(sums)};
  Tensor scratch = new_scratch(counts, range_bytes(args, items));
  cuda_check(sum_ranges(args, items, ranges, data<void>(scratch), call.stream), "resample_sums");
  return sums;
}

Tensor resample_risks(const Tensor& counts, const Tensor& places, const Tensor& wrong, const Tensor& ends) {
  check_one_device({"counts", counts}, {{"places", places}, {"wrong", wrong}, {"ends", ends}});
  const Call call(counts);
  const DeviceValues values(call, counts);
  check_wrong(wrong);
  const ResampledCounts weights = check_counts(values, counts, places, wrong.size(0));
  const int64_t* end = check_ends(values, ends, wrong.size(0));
  Tensor risks = new_tensor<2>(counts, {4, weights.lanes}, ScalarType::Double);
  const ResampleRisksArgs args{weights, static_cast<const uint8_t*>(wrong.const_data_ptr()), end,
                               ends.numel(), data<double>(risks)};
  Tensor scratch = new_scratch(counts, risk_bytes(args));
  cuda_check(sum_risks(args, data<void>(scratch), call.stream), "resample_risks");
  return risks;
}

Tensor resample_group_sums(const Tensor& counts, const Tensor& places, const std::vector<Tensor>& columns,
                           const Tensor& ends) {
  CALIBENCH_CHECK(!columns.empty(), "there are no columns");
  check_one_device({"counts", counts}, {{"places", places}, {"ends", ends}});
  check_columns_device(counts, columns);
  const Call call(counts);
  const DeviceValues values(call, counts);
  const int64_t items = items_of(counts, places, columns);
  const ResampledCounts weights = check_counts(values, counts, places, items);
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
  Tensor scratch = new_scratch(counts, group_bytes(args));
  cuda_check(sum_groups(args, data<void>(scratch), call.stream), "resample_group_sums");
  return sums;
}

Tensor resample_class_errors(const Tensor& counts, const Tensor& entries, const Tensor& gaps,
                             const Tensor& cell_ends, const Tensor& totals) {
  check_one_device({"counts", counts},
                   {{"entries", entries}, {"gaps", gaps}, {"cell_ends", cell_ends}, {"totals", totals}});
  const Call call(counts);
  const DeviceValues values(call, counts);
  ClassErrorArgs args = check_class_errors(values, counts, entries, gaps, cell_ends, totals);
  Tensor errors = new_tensor<1>(counts, {args.entries.lanes}, ScalarType::Double);
  args.errors = data<double>(errors);
  Tensor scratch = new_scratch(counts, class_error_bytes(args));
  cuda_check(sum_class_errors(args, data<void>(scratch), call.stream), "resample_class_errors");
  return errors;
}

Tensor gap_sizes(const Tensor& labels, const Tensor& offset, const Tensor& factor) {
  check_one_device({"labels", labels}, {{"offset", offset}, {"factor", factor}});
  const Call call(labels);
  check_gap_sizes(labels, offset, factor);
  const int64_t cells = labels.size(0), lanes = labels.size(1);
  Tensor sizes = new_tensor<1>(offset, {lanes}, ScalarType::Double);
  Tensor scratch = new_scratch(labels, gap_size_bytes(cells, lanes));
  cuda_check(sum_gap_sizes(static_cast<const int32_t*>(labels.const_data_ptr()), cells, lanes,
                           static_cast<const double*>(offset.const_data_ptr()),
                           static_cast<const double*>(factor.const_data_ptr()), data<void>(scratch),
                           data<double>(sizes), call.stream),
             "gap_sizes");
  return sizes;
}

}  // namespace
}  // namespace calibench

STABLE_TORCH_LIBRARY_IMPL(calibench, CUDA, m) {
  m.impl("resample_counts", TORCH_BOX(&calibench::resample_counts));
  m.impl("resample_sums", TORCH_BOX(&calibench::resample_sums));
  m.impl("resample_risks", TORCH_BOX(&calibench::resample_risks));
  m.impl("resample_group_sums", TORCH_BOX(&calibench::resample_group_sums));
  m.impl("resample_class_errors", TORCH_BOX(&calibench::resample_class_errors));
  m.impl("gap_sizes", TORCH_BOX(&calibench::gap_sizes));
}
