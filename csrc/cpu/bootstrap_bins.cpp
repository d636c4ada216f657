// bootstrap_bins on the CPU: the samples sorted once, then a resample a task.
#include <cmath>

#include "parallel.h"

namespace calibench {
namespace {

// Cell (bin * 2 + correct) of every sample; fails with the lowest sample whose confidence is no probability.
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
  CALIBENCH_CHECK(confidence.scalar_type() == ScalarType::Double && confidence.dim() == 1,
                  "confidence is not float64 [N]");
  CALIBENCH_CHECK(correct.scalar_type() == ScalarType::Bool && correct.dim() == 1 &&
                      correct.size(0) == confidence.size(0) && same_device(confidence, correct),
                  "correct is not bool [N] beside the confidences");
  CALIBENCH_CHECK(resamples >= 0, "resamples is ", resamples, ", below 0");
  check_bins(bins);
  const int64_t N = confidence.size(0);
  const double* values = static_cast<const double*>(confidence.const_data_ptr());
  const std::vector<int64_t> cells =
      find_cells(values, confidence.stride(0), static_cast<const uint8_t*>(correct.const_data_ptr()),
                 correct.stride(0), N, bins);
  std::vector<int64_t> begins(static_cast<size_t>(2 * bins + 1));
  for (const int64_t cell : cells) ++begins[static_cast<size_t>(cell + 1)];
  for (size_t c = 1; c < begins.size(); ++c) begins[c] += begins[c - 1];
  std::vector<int64_t> next(begins.begin(), begins.end() - 1);
  std::vector<int16_t> digits(static_cast<size_t>(kDigits * N));
  const int bits = fixed_point_bits(N);
  for (int64_t i = 0; i < N; ++i) {
    const int64_t at = next[static_cast<size_t>(cells[static_cast<size_t>(i)])]++;
    to_digits(to_fixed(values[i * confidence.stride(0)], bits), N, digits.data() + at);
  }
  const BootstrapArgs args{digits.data(), begins.data(), N, bins, std::ldexp(1.0, -bits), seed};

  Tensor sums = new_tensor<3>(confidence, {resamples, 3, bins}, ScalarType::Double);
  double* out = data<double>(sums);
  const Kernels& table = serving_kernels();
  share(resamples, [&](const auto& next) {
    std::vector<uint8_t> counts(static_cast<size_t>(N));
    for (int64_t b = next(); b >= 0; b = next()) table.resample(args, b, counts.data(), out + b * 3 * bins);
  });
  return {sums, no_fault(confidence)};
}

}  // namespace
}  // namespace calibench

STABLE_TORCH_LIBRARY_IMPL(calibench, CPU, m) {
  m.impl("bootstrap_bins", TORCH_BOX(&calibench::bootstrap_bins));
}
