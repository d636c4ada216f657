// Turns the sums of a block of rows into confidence, tail, NLL, Brier and bin, 8 rows at a time. Logarithms
// and divisions are computed here only.
#pragma once

namespace calibench::CALIBENCH_ISA {

struct RowMetrics {
  double confidence[kBlockRows];
  double tail[kBlockRows];
  double nll[kBlockRows];
  double brier[kBlockRows];
  int32_t bin[kBlockRows];
  uint64_t correct;  // rows whose prediction is the label
  uint64_t on_edge;  // rows so close to a bin edge that bins.h must find the bin
  uint64_t unsure;   // rows to be computed again in float64; 0 if the sums are float64
};

// Corrects S = sum exp(-(1 + kGapError) d_j), the sum in float32 (math.h gives the reason).
// To first order, sum exp(-d_j) = S (1 + kGapError * mean d), with the mean weighted by the terms.
// This mean is in [-ln S, ln K - ln S], because the entropy of the terms is in [0, ln K]. The middle of that
// range, with the logarithm from the exponent of S, gives the sum to within 1e-7. The same holds for the sum
// of squares, where each d_j counts twice.
CALIBENCH_INLINE D restore_gaps(D sum, double half_log_classes) {
  const double at_exponent_0 = 1.0 + kGapError * (half_log_classes - 0.5 * kLn2);
  return sum * fma(exponent(sum), set(-kGapError * kLn2), set(at_exponent_0));
}

// The sums relative to the term of the largest score; each tie with it adds 1.
template <bool kScaled>
CALIBENCH_INLINE void relative_sums(const RowBlock& block, int i, double half_log_classes, D* others,
                                    D* squares) {
  const D ties = load(block.ties + i);
  *others = load(block.others + i);
  *squares = load(block.squares + i);
  if constexpr (kScaled) {
    const D inverse_unit = load(block.inverse_unit + i);
    *others = restore_gaps(*others * inverse_unit, half_log_classes);
    *squares = restore_gaps(*squares * (inverse_unit * inverse_unit), half_log_classes);
  }
  *others = *others + ties;
  *squares = *squares + ties;
}

// Half the logarithm of K.
CALIBENCH_INLINE double half_log(int64_t classes) { return 0.5 * ::log(static_cast<double>(classes)); }

// Rows whose sums in float32 are unreliable.
CALIBENCH_INLINE unsigned outside_fast_range(const RowBlock& block, int i) {
  return ~bits(less(abs(load(block.top + i)), set(kFastTop))) & 0xffu;
}

// The bin k with confidence in (k / M, (k + 1) / M]. It is certain unless confidence * M is close to a whole
// number: those lanes are set in `close`, and bins.h decides. `last` has the lanes close to M or above.
CALIBENCH_INLINE D find_bin(D confidence, double M, double margin, unsigned* close, unsigned* last) {
  const D z = confidence * set(M);
  const D nearest = (z + set(kRound)) - set(kRound);
  const D k = select(less(nearest, z), nearest, nearest - set(1.0));
  *close = bits(less(abs(z - nearest), set(margin * M)));
  *last = bits(less(set(M - 0.5), nearest));
  return max(min(k, set(M - 1.0)), set(0.0));
}

template <bool kScaled>
CALIBENCH_FUNCTION void metrics_from_logits(const RowBlock& block, int rows, int64_t classes, int64_t bins,
                                            RowMetrics* out) {
  const D one = set(1.0);
  const double half_log_classes = half_log(classes);
  out->on_edge = out->unsure = out->correct = 0;
  for (int i = 0; i < rows; i += 8) {
    D tail, squares, confidence;
    relative_sums<kScaled>(block, i, half_log_classes, &tail, &squares);
    const D margin = load(block.top + i) - load(block.label_score + i);
    const D nll = log1p<kScaled>(tail, &confidence) + margin;
    const D of_label = kScaled ? fast_exp(set(0.0) - margin) : exp(set(0.0) - margin);
    const D right = tail * confidence;  // 1 - confidence without cancellation
    const D wrong = one - of_label * confidence;
    const Mask8 hit = equal(block.prediction + i, block.label + i);
    out->correct |= static_cast<uint64_t>(bits(hit)) << i;
    const D miss = select(hit, right, wrong);
    const D rest = select(hit, squares, one + max(squares - of_label * of_label, set(0.0)));
    store(out->confidence + i, confidence);
    store(out->tail + i, tail);
    store(out->nll + i, nll);
    store(out->brier + i, fma(confidence * confidence, rest, miss * miss));
    unsigned close, last;
    store_integers(out->bin + i,
          find_bin(confidence, static_cast<double>(bins), kScaled ? kFastMargin : 1e-12, &close, &last));
    if constexpr (kScaled) {  // M is not an edge, and most confidences of many networks are just below 1
      const unsigned small = bits(less(tail, set(kFastTail)));
      out->unsure |= static_cast<uint64_t>((close & ~last) | small | outside_fast_range(block, i)) << i;
    } else {
      out->on_edge |= static_cast<uint64_t>(close) << i;
    }
  }
}

CALIBENCH_FUNCTION void metrics_from_probs(const RowBlock& block, int rows, int64_t bins, RowMetrics* out) {
  const D one = set(1.0), zero = set(0.0);
  out->on_edge = out->unsure = out->correct = 0;
  for (int i = 0; i < rows; i += 8) {
    const D top = load(block.top + i), label_score = load(block.label_score + i), ties = load(block.ties + i);
    const D others = fma(ties, top, load(block.others + i));
    const D squares = fma(ties * top, top, load(block.squares + i));
    const Mask8 hit = equal(block.prediction + i, block.label + i);
    out->correct |= static_cast<uint64_t>(bits(hit)) << i;
    const D miss = one - label_score;
    const D wrong = fma(top, top, max(squares - label_score * label_score, zero));
    store(out->confidence + i, top);
    store(out->tail + i, select(less(zero, top), others / top,
                                set(__builtin_inf())));  // a row of zeros is the least confident
    store(out->nll + i, zero - log(max(label_score, set(kProbabilityFloor))));
    store(out->brier + i, fma(miss, miss, select(hit, squares, wrong)));
    unsigned close, last;
    store_integers(out->bin + i, find_bin(top, static_cast<double>(bins), 1e-12, &close, &last));
    out->on_edge |= static_cast<uint64_t>(close) << i;
  }
}

}  // namespace calibench::CALIBENCH_ISA
