// calibration_stats on the CPU: torch's thread pool over fixed chunks of rows, combined in their order.
#include <torch/csrc/stable/library.h>

#include "../inputs.h"

namespace calibench {
namespace {

template <typename T>
void run(const CalibrationArgs& args, double* bin_sums, double* totals, double* samples) {
  const int64_t rows = chunk_rows(args);
  const int64_t chunks = (args.rows + rows - 1) / rows;
  std::vector<BinSums> bins(static_cast<size_t>(chunks * args.bins));
  std::vector<ChunkTotals> parts(static_cast<size_t>(chunks));
  // Nothing may throw inside: a bad row is noted, and the lowest is reported whatever chunk was done first.
  torch::stable::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      accumulate_chunk<T>(args, c * rows, std::min(args.rows, (c + 1) * rows), &bins[c * args.bins],
                          &parts[c], samples);
    }
  });
  for (const ChunkTotals& part : parts) {
    if (part.first_bad == kNoBadRow) continue;
    fail_row(part.first_bad, args.labels.at(bad_row_index(part.first_bad)), args.classes);
  }
  combine_chunks(args, bins, parts, bin_sums, totals);
}

StatsTensors calibration_stats(const Tensor& scores, const Tensor& labels, int64_t bins, bool from_probs,
                               bool return_samples) {
  const CalibrationArgs args = check_inputs(scores, labels, bins, from_probs);
  Tensor bin_sums = new_float64(scores, {3, bins});
  Tensor totals = new_float64(scores, 4);
  Tensor samples = new_float64(scores, {kSampleRows, return_samples ? args.rows : 0});
  double* out_bins = static_cast<double*>(bin_sums.mutable_data_ptr());
  double* out_totals = static_cast<double*>(totals.mutable_data_ptr());
  double* out_samples = return_samples ? static_cast<double*>(samples.mutable_data_ptr()) : nullptr;
  switch (args.score_type) {
    case ScoreType::kFloat64:
      run<double>(args, out_bins, out_totals, out_samples);
      break;
    case ScoreType::kFloat32:
      run<float>(args, out_bins, out_totals, out_samples);
      break;
    case ScoreType::kBFloat16:
      run<BFloat16>(args, out_bins, out_totals, out_samples);
      break;
    case ScoreType::kFloat16:
      run<Float16>(args, out_bins, out_totals, out_samples);
      break;
  }
  return {bin_sums, totals, samples};
}

}  // namespace
}  // namespace calibench

STABLE_TORCH_LIBRARY_IMPL(calibench, CPU, m) {
  m.impl("calibration_stats", TORCH_BOX(&calibench::calibration_stats));
}
