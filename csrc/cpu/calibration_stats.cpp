// calibration_stats and calibration_update on the CPU: computes fixed chunks
// of rows and adds them to the state in order.
#include "parallel.h"

namespace calibench {
namespace {

using StatsTensors = std::tuple<Tensor, Tensor, Tensor, Tensor>;

void update(const CalibrationArgs& args, double* state, double* samples) {
  const Kernels& table = selected_kernels();
  const int64_t step = chunk_rows(args.classes, args.bins);
  const int64_t chunks = (args.rows + step - 1) / step;
  std::vector<BinSums> bins(static_cast<size_t>(chunks * args.bins));
  std::vector<ChunkTotals> totals(static_cast<size_t>(chunks));
  for_chunks(args.rows, step, args.classes, [&](int64_t c, int64_t begin, int64_t end, char* scratch) {
    table.calibration_chunk(args, begin, end, &bins[static_cast<size_t>(c * args.bins)],
                            &totals[static_cast<size_t>(c)], samples, scratch);
  });
  std::vector<int64_t> first_bad;
  first_bad.reserve(totals.size());
  for (const ChunkTotals& part : totals) first_bad.push_back(part.first_bad);
  fail_if_bad(first_bad, &args.labels, args.classes);
  add_chunks(bins.data(), totals.data(), chunks, args.bins, args.rows, state);
}

StatsTensors calibration_stats(const Tensor& scores, const Tensor& labels, int64_t bins, bool from_probs,
                               bool return_samples) {
  const CalibrationArgs args = check_inputs(scores, labels, bins, from_probs);
  Tensor bin_sums = new_float64(scores, {3, bins});
  Tensor totals = new_float64(scores, 4);
  Tensor samples = new_float64(scores, {kSampleRows, return_samples ? args.rows : 0});
  std::vector<double> state(static_cast<size_t>((bins + 2) * kStateColumns));
  update(args, state.data(), return_samples ? data<double>(samples) : nullptr);
  read_state(state.data(), bins, data<double>(bin_sums), data<double>(totals));
  return {bin_sums, totals, samples, no_fault(scores)};
}

void calibration_update(const Tensor& state, const Tensor& fault, const Tensor& scores, const Tensor& labels,
                        int64_t bins, bool from_probs) {
  const CalibrationArgs args = check_inputs(scores, labels, bins, from_probs);
  check_state(state, fault, scores, bins);
  if (data<int64_t>(fault)[0] != kNoBadRow)
    return;  // as on CUDA, a state with a fault is not updated until a reset
  update(args, data<double>(state), nullptr);
}

}  // namespace
}  // namespace calibench

CALIBENCH_CPU_OPERATORS(m) {
  m.impl("calibration_stats", CALIBENCH_BOX(&calibench::calibration_stats));
  m.impl("calibration_update", CALIBENCH_BOX(&calibench::calibration_update));
}
