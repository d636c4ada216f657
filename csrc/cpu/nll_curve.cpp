// nll_curve on the CPU: computes fixed chunks of rows and adds them in order.
#include <cmath>

#include "parallel.h"

namespace calibench {
namespace {

std::tuple<Tensor, Tensor> nll_curve(const Tensor& logits, const Tensor& labels,
                                     const Tensor& log_temperatures) {
  CurveArgs args{};
  args.scores = check_scores(logits);
  args.labels = check_labels(labels, logits);
  args.points = log_temperatures.numel();
  check_vector(log_temperatures, logits, "log temperatures", args.points, args.points);
  std::vector<double> inverse_temperatures;
  for (const double log_t : read_vector(log_temperatures)) {
    CALIBENCH_CHECK(std::isfinite(log_t), "log temperature ", inverse_temperatures.size(), " is not finite");
    inverse_temperatures.push_back(std::exp(-log_t));
  }
  args.inverse_temperatures = inverse_temperatures.data();

  const Kernels& table = selected_kernels();
  const int64_t step = curve_chunk_rows(args.scores.classes);
  const int64_t chunks = (args.scores.rows + step - 1) / step;
  std::vector<CurveSums> parts(static_cast<size_t>(chunks * args.points));
  std::vector<int64_t> first_bad(static_cast<size_t>(chunks), kNoBadRow);
  for_chunks(args.scores.rows, step, args.scores.classes,
             [&](int64_t c, int64_t begin, int64_t end, char* scratch) {
               table.nll_curve_chunk(args, begin, end, parts.data() + c * args.points,
                                     &first_bad[static_cast<size_t>(c)], scratch);
             });
  fail_if_bad(first_bad, &args.labels, args.scores.classes);

  Tensor curve = new_float64(logits, {3, args.points});
  double* out = data<double>(curve);
  for (int64_t t = 0; t < args.points; ++t) {
    CurveSums total;
    for (int64_t c = 0; c < chunks; ++c) {
      const CurveSums& part = parts[static_cast<size_t>(c * args.points + t)];
      total.nll.add(part.nll);
      total.slope.add(part.slope);
      total.curvature.add(part.curvature);
    }
    out[t] = total.nll.value();
    out[args.points + t] = total.slope.value();
    out[2 * args.points + t] = total.curvature.value();
  }
  return {curve, no_fault(logits)};
}

}  // namespace
}  // namespace calibench

CALIBENCH_CPU_OPERATORS(m) { m.impl("nll_curve", CALIBENCH_BOX(&calibench::nll_curve)); }
