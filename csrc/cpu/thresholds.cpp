// softmax_threshold, softmax_threshold_sets and sigmoid_threshold on the CPU.
#include <cmath>

#include "parallel.h"

namespace calibench {
namespace {

constexpr int64_t kChunkRows = 256;  // 10 us with 10 classes

double log_bound(double t) { return t > 0.0 ? std::log(t) : -HUGE_VAL; }

double logit_bound(double t) {
  if (t <= 0.0) return -HUGE_VAL;
  return t >= 1.0 ? HUGE_VAL : std::log(t) - std::log1p(-t);
}

// The arguments of one call, and the thresholds that they point to. Scores are compared
// with `bound(t)`, which needs no probability.
struct ThresholdCall {
  ThresholdArgs args{};
  std::vector<double> thresholds;
  std::vector<double> bounds;

  ThresholdCall(const Tensor& logits, const Tensor& values, bool strict, double (*bound)(double)) {
    args.scores = check_scores(logits);
    check_vector(values, logits, "thresholds", args.scores.classes, 1);
    thresholds = read_vector(values);
    args.smallest = HUGE_VAL;
    for (const double t : thresholds) {
      CALIBENCH_CHECK(!std::isnan(t), "threshold ", bounds.size(), " is NaN");
      bounds.push_back(bound(t));
      args.smallest = std::min(args.smallest, t);
    }
    args.thresholds = thresholds.data();
    args.bounds = bounds.data();
    args.per_class = thresholds.size() > 1;
    args.strict = strict;
  }
  ThresholdCall(const ThresholdCall&) = delete;  // args points to its vectors
  ThresholdCall& operator=(const ThresholdCall&) = delete;
};

template <typename Chunk>
void for_row_chunks(const ThresholdArgs& args, const Chunk& chunk) {
  const int64_t step = std::max<int64_t>(1, std::min(kChunkRows, 262144 / args.scores.classes));
  std::vector<int64_t> first_bad(static_cast<size_t>((args.scores.rows + step - 1) / step), kNoBadRow);
  for_chunks(args.scores.rows, step, args.scores.classes,
             [&](int64_t c, int64_t begin, int64_t end, char* scratch) {
               chunk(begin, end, &first_bad[static_cast<size_t>(c)], scratch);
             });
  fail_if_bad(first_bad, nullptr, args.scores.classes);
}

std::tuple<Tensor, Tensor, Tensor> softmax_threshold(const Tensor& logits, const Tensor& thresholds,
                                                     bool strict) {
  ThresholdCall call(logits, thresholds, strict, log_bound);
  ThresholdArgs& args = call.args;
  Tensor prediction = new_tensor<1>(logits, {args.scores.rows}, ScalarType::Long);
  Tensor confidence = new_float64(logits, args.scores.rows);
  args.prediction = data<int64_t>(prediction);
  args.confidence = data<double>(confidence);
  const Kernels& table = selected_kernels();
  for_row_chunks(args, [&](int64_t begin, int64_t end, int64_t* first_bad, char* scratch) {
    table.threshold_chunk(args, begin, end, first_bad, scratch);
  });
  return {prediction, confidence, no_fault(logits)};
}

std::tuple<Tensor, Tensor, Tensor> compute_sets(const Tensor& logits, const Tensor& thresholds, bool strict,
                                                bool sigmoid) {
  ThresholdCall call(logits, thresholds, strict, sigmoid ? logit_bound : log_bound);
  ThresholdArgs& args = call.args;
  Tensor sets = new_tensor<2>(logits, {args.scores.rows, args.scores.classes}, ScalarType::Bool);
  Tensor sizes = new_tensor<1>(logits, {args.scores.rows}, ScalarType::Long);
  args.sets = data<uint8_t>(sets);
  args.sizes = data<int64_t>(sizes);
  const Kernels& table = selected_kernels();
  for_row_chunks(args, [&](int64_t begin, int64_t end, int64_t* first_bad, char* scratch) {
    if (sigmoid) {
      table.sigmoid_chunk(args, begin, end, first_bad);
    } else {
      table.threshold_chunk(args, begin, end, first_bad, scratch);
    }
  });
  return {sets, sizes, no_fault(logits)};
}

std::tuple<Tensor, Tensor, Tensor> softmax_sets(const Tensor& logits, const Tensor& thresholds, bool strict) {
  return compute_sets(logits, thresholds, strict, false);
}

std::tuple<Tensor, Tensor, Tensor> sigmoid_sets(const Tensor& logits, const Tensor& thresholds, bool strict) {
  return compute_sets(logits, thresholds, strict, true);
}

}  // namespace
}  // namespace calibench

CALIBENCH_CPU_OPERATORS(m) {
  m.impl("softmax_threshold", CALIBENCH_BOX(&calibench::softmax_threshold));
  m.impl("softmax_threshold_sets", CALIBENCH_BOX(&calibench::softmax_sets));
  m.impl("sigmoid_threshold", CALIBENCH_BOX(&calibench::sigmoid_sets));
}
