// bootstrap_bins on the CPU: sorts the samples by cell once, then computes one resample per task.
#include <cmath>

#include "parallel.h"

namespace calibench {
namespace {

// The cell (bin * 2 + correct) of every sample. Fails at the first confidence that is not a probability.
std::vector<int64_t> find_cells(const double* confidence, int64_t stride, const uint8_t* correct,
                                int64_t correct_stride, int64_t samples, int64_t bins) {
  std::vector<int64_t> cells(static_cast<size_t>(samples));
  for (int64_t i = 0; i < samples; ++i) {
    const double c = confidence[i * stride];
    CALIBENCH_CHECK(std::isfinite(c), "row ", i, ": a score is NaN or infinite");
    CALIBENCH_CHECK(c >= 0.0 && c <= kProbabilityCeiling, "row ", i, ": a probability lies outside [0, 1]");
    cells[static_cast<size_t>(i)] = 2 * bin_of(c, bins) + (correct[i * correct_stride] != 0 ? 1 : 0);
  }
  return cells;
}

std::tuple<Tensor, Tensor> bootstrap_bins(const Tensor& confidence, const Tensor& correct, int64_t bins,
                                          int64_t resamples, int64_t seed) {
  check_bootstrap_inputs(confidence, correct, bins, resamples);
  const int64_t N = confidence.size(0);
  const double* values = static_cast<const double*>(confidence.const_data_ptr());
  const std::vector<int64_t> cells =
      find_cells(values, confidence.stride(0), static_cast<const uint8_t*>(correct.const_data_ptr()),
                 correct.stride(0), N, bins);
  std::vector<int64_t> cell_begins(static_cast<size_t>(2 * bins + 1));
  for (const int64_t cell : cells) ++cell_begins[static_cast<size_t>(cell + 1)];
  for (size_t c = 1; c < cell_begins.size(); ++c) cell_begins[c] += cell_begins[c - 1];
  std::vector<int64_t> next_position(cell_begins.begin(), cell_begins.end() - 1);
  std::vector<int16_t> digits(static_cast<size_t>(kDigits * N));
  const int bits = fixed_point_bits(N);
  for (int64_t i = 0; i < N; ++i) {
    const int64_t position = next_position[static_cast<size_t>(cells[static_cast<size_t>(i)])]++;
    to_digits(to_fixed(values[i * confidence.stride(0)], bits), N, digits.data() + position);
  }
  const BootstrapArgs args{digits.data(), cell_begins.data(), N, bins, std::ldexp(1.0, -bits), seed};

  Tensor sums = new_tensor<3>(confidence, {resamples, 3, bins}, ScalarType::Double);
  double* out = data<double>(sums);
  const Kernels& table = selected_kernels();
  run_tasks(resamples, [&](const auto& next_task) {
    std::vector<uint8_t> counts(static_cast<size_t>(N));
    for (int64_t b = next_task(); b >= 0; b = next_task()) {
      table.resample(args, b, counts.data(), out + b * 3 * bins);
    }
  });
  return {sums, no_fault(confidence)};
}

}  // namespace
}  // namespace calibench

CALIBENCH_CPU_OPERATORS(m) { m.impl("bootstrap_bins", CALIBENCH_BOX(&calibench::bootstrap_bins)); }
