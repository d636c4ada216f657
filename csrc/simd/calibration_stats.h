// A chunk of calibration_stats: adds blocks of 64 rows to the sums per bin and to the totals.
#pragma once

#include "../core/calibration_stats.h"

namespace calibench::CALIBENCH_ISA {

// Sum::add without its branch on infinity, which finite confidences do not need.
CALIBENCH_INLINE void add_finite(Sum* sum, double value) {
  const double total = sum->sum + value;
  const double rounded_value = total - sum->sum;
  sum->carry += (sum->sum - (total - rounded_value)) + (value - rounded_value);
  sum->sum = total;
}

// Adds the rows of a block to their bins. Dekker's Fast2Sum: the rounding error is exact unless the sum is
// smaller than the confidence, as may be for the first rows of bin 0; then it is right to an ulp.
CALIBENCH_FUNCTION void add_to_bins(const RowMetrics& metrics, int rows, BinSums* bins) {
  uint64_t correct = metrics.correct;
  for (int i = 0; i < rows; ++i, correct >>= 1) {
    BinSums& bin = bins[metrics.bin[i]];
    bin.count += 1;
    asm volatile("" ::: "memory");  // GCC would add the two counts as a vector, which takes twice as many steps
    bin.correct += static_cast<int64_t>(correct & 1);
    asm volatile("" ::: "memory");
    const double value = metrics.confidence[i], total = bin.confidence.sum + value;
    bin.confidence.carry += value - (total - bin.confidence.sum);
    bin.confidence.sum = total;
  }
}

CALIBENCH_INLINE void copy_lane(const RowMetrics& from, int lane, int i, RowMetrics* to) {
  to->confidence[i] = from.confidence[lane];
  to->tail[i] = from.tail[lane];
  to->nll[i] = from.nll[lane];
  to->brier[i] = from.brier[lane];
  to->bin[i] = from.bin[lane];
  to->on_edge |= (from.on_edge >> lane & 1) << i;
}

// Computes the metrics of the rows in out->unsure again in float64, eight rows at a time.
template <typename T>
CALIBENCH_FUNCTION void recompute_in_float64(const CalibrationArgs& args, int64_t begin,
                                             const FastBlock& block, void* scratch, RowMetrics* out) {
  uint64_t open = out->unsure;
  while (open != 0) {
    RowBlock exact;
    RowMetrics metrics;
    int block_row[8], count = 0;
    const T* rows[8];
    for (; open != 0 && count < 8; open &= open - 1) {
      const int i = __builtin_ctzll(open);
      if (args.classes <= kExactNarrow) {
        rows[count] = static_cast<const T*>(args.scores) + (begin + i) * args.row_stride;
      } else {
        exact_row<false>(contiguous_row<T>(args.view(), begin + i, scratch), args.classes, count, &exact);
      }
      exact.label_score[count] = block.label_score[i];
      exact.label[count] = block.label[i];
      block_row[count++] = i;
    }
    if (args.classes <= kExactNarrow) {
      for (int l = count; l < 8; ++l) rows[l] = rows[0];
      stage_exact(rows, args.classes, args.class_stride, static_cast<double*>(scratch));
      exact_columns<false>(static_cast<double*>(scratch), args.classes, 0, &exact);
    }
    pad(count, &exact);
    metrics_from_logits(exact, count, args.bins, &metrics);
    for (int l = 0; l < count; ++l) copy_lane(metrics, l, block_row[l], out);
  }
}

// Both compute the metrics of a block and return the code of the first bad row, or kNoBadRow.
template <typename T>
CALIBENCH_INLINE int64_t block_metrics(const CalibrationArgs& args, int64_t begin, int rows, void* scratch,
                                       RowBlock* block, RowMetrics* out) {
  if (args.from_probs) {
    fill_exact<true, T>(args.view(), begin, rows, scratch, block);
  } else {
    fill_exact<false, T>(args.view(), begin, rows, scratch, block);
  }
  const int64_t bad = fill_labels<T>(args.view(), args.labels, begin, rows, block);
  if (CALIBENCH_UNLIKELY(bad != kNoBadRow)) return bad;
  pad(rows, block);
  if (args.from_probs) {
    metrics_from_probs(*block, rows, args.bins, out);
  } else {
    metrics_from_logits(*block, rows, args.bins, out);
  }
  for (uint64_t rest = out->on_edge & first_bits(rows); rest != 0; rest &= rest - 1) {
    const int i = __builtin_ctzll(rest);
    out->bin[i] = static_cast<int32_t>(bin_of(out->confidence[i], args.bins));
  }
  return kNoBadRow;
}

template <typename T>
CALIBENCH_INLINE int64_t block_metrics(const CalibrationArgs& args, int64_t begin, int rows, void* scratch,
                                       FastBlock* block, RowMetrics* out) {
  fill_fast<true, T>(args.view(), begin, rows, scratch, block);
  const int64_t bad = fill_labels<T>(args.view(), args.labels, begin, rows, block);
  if (CALIBENCH_UNLIKELY(bad != kNoBadRow)) return bad;
  pad(rows, block);
  metrics_from_logits(*block, rows, args.classes, args.bins, out);
  out->unsure &= first_bits(rows);
  if (CALIBENCH_UNLIKELY(out->unsure)) recompute_in_float64<T>(args, begin, *block, scratch, out);
  return kNoBadRow;
}

// Writes the samples of a block to `samples` [5, N].
CALIBENCH_FUNCTION void store_samples(const RowMetrics& metrics, const int64_t* prediction, int rows,
                                      int64_t N, double* samples) {
  const double* columns[] = {metrics.confidence, metrics.tail, nullptr, metrics.nll, metrics.brier};
  for (int r = 0; r < kSampleRows; ++r, samples += N) {
    if (r == kPrediction) {
      for (int i = 0; i < rows; ++i) samples[i] = static_cast<double>(prediction[i]);
    } else {
      memcpy(samples, columns[r], static_cast<size_t>(rows) * sizeof(double));
    }
  }
}

template <typename Block, typename T>
CALIBENCH_INLINE void add_rows(const CalibrationArgs& args, int64_t begin, int64_t end, BinSums* bins,
                               ChunkTotals* totals, double* samples, void* scratch) {
  Block block;
  RowMetrics metrics;
  Sums nll{set(0.0), set(0.0)}, brier = nll;
  for (int64_t start = begin; start < end; start += kBlockRows) {
    const int rows = static_cast<int>(min_of<int64_t>(kBlockRows, end - start));
    totals->first_bad = block_metrics<T>(args, start, rows, scratch, &block, &metrics);
    if (CALIBENCH_UNLIKELY(totals->first_bad != kNoBadRow)) return;
    add_to_bins(metrics, rows, bins);
    for (int i = rows; i % 8 != 0; ++i) metrics.nll[i] = metrics.brier[i] = 0.0;
    D block_nll = set(0.0), block_brier = set(0.0);  // eight rows a lane: the error is that of eight terms
    for (int i = 0; i < rows; i += 8) {
      block_nll = block_nll + load(metrics.nll + i);
      block_brier = block_brier + load(metrics.brier + i);
    }
    add(&nll, block_nll);
    add(&brier, block_brier);
    if (samples != nullptr) store_samples(metrics, block.prediction, rows, args.rows, samples + start);
  }
  alignas(64) double sums[4][8];
  store(sums[0], nll.sum);
  store(sums[1], nll.carry);
  store(sums[2], brier.sum);
  store(sums[3], brier.carry);
  for (int l = 0; l < 8; ++l) {
    totals->nll.add(Sum{sums[0][l], sums[1][l]});
    totals->brier.add(Sum{sums[2][l], sums[3][l]});
  }
}

// Adds rows [begin, end) to `bins` [M] and `totals`, and writes their samples if `samples` [5, N] is not
// null. Stops at the first bad row.
template <typename T>
static void calibration_chunk(const CalibrationArgs& args, int64_t begin, int64_t end, BinSums* bins,
                              ChunkTotals* totals, double* samples, void* scratch) {
  if constexpr (kFast<T>) {
    if (!args.from_probs) return add_rows<FastBlock, T>(args, begin, end, bins, totals, samples, scratch);
  }
  add_rows<RowBlock, T>(args, begin, end, bins, totals, samples, scratch);
}

}  // namespace calibench::CALIBENCH_ISA
