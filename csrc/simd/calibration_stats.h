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

// The sums of a chunk, by cell (row_metrics.h). Rows go round four copies: a row need not wait until the sum
// before it is in memory. Sums by Dekker's Fast2Sum: its rounding errors are exact once the sum is larger
// than a confidence, and before, in bin 0, they are right to an ulp.
class Cells {
 public:
  static constexpr int64_t kMaxBins = 64, kMinRows = 512;  // fewer rows do not repay the copies
  explicit Cells(int64_t bins) : bins_(bins) {
    memset(cells_, 0, static_cast<size_t>(2 * bins) * sizeof(cells_[0]));
  }

  CALIBENCH_HD void add(const RowMetrics& metrics, int rows) {
    int i = 0;
    for (; i + kCopies <= rows; i += kCopies) {
      for (int c = 0; c < kCopies; ++c) add_row(metrics, i + c, c);
    }
    for (; i < rows; ++i) add_row(metrics, i, i % kCopies);
  }
  // Adds the cells to the sums of a chunk, in order.
  CALIBENCH_HD void add_to(BinSums* bins) const {
    for (int64_t cell = 0; cell < 2 * bins_; ++cell) {
      BinSums& bin = bins[cell / 2];
      for (const Cell& part : cells_[cell]) {
        if (part.count == 0) continue;
        bin.count += part.count;
        if (cell % 2 != 0) bin.correct += part.count;
        add_finite(&bin.confidence, part.confidence);
        bin.confidence.carry += part.carry;
      }
    }
  }

 private:
  static constexpr int kCopies = 4;
  struct Cell {
    int64_t count;
    double confidence, carry;
    int64_t unused;  // so that an index is a shift
  };
  CALIBENCH_HD void add_row(const RowMetrics& metrics, int i, int copy) {
    Cell& cell = cells_[metrics.cell[i]][copy];
    cell.count += 1;
    const double value = metrics.confidence[i], total = cell.confidence + value;
    cell.carry += value - (total - cell.confidence);
    cell.confidence = total;
  }

  int64_t bins_;
  Cell cells_[2 * kMaxBins][kCopies];
};

// The same for any number of bins.
CALIBENCH_FUNCTION void add_to_bins(const RowMetrics& metrics, int rows, BinSums* bins) {
  for (int i = 0; i < rows; ++i) {
    BinSums& bin = bins[metrics.cell[i] / 2];
    bin.count += 1;
    bin.correct += metrics.cell[i] % 2;
    add_finite(&bin.confidence, metrics.confidence[i]);
  }
}

CALIBENCH_INLINE void copy_lane(const RowMetrics& from, int lane, int i, RowMetrics* to) {
  to->confidence[i] = from.confidence[lane];
  to->tail[i] = from.tail[lane];
  to->nll[i] = from.nll[lane];
  to->brier[i] = from.brier[lane];
  to->cell[i] = from.cell[lane];
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

CALIBENCH_INLINE void find_bins_on_edges(int64_t bins, int rows, RowMetrics* out) {
  for (uint64_t rest = out->on_edge & first_bits(rows); rest != 0; rest &= rest - 1) {
    const int i = __builtin_ctzll(rest);
    out->cell[i] = static_cast<int32_t>(2 * bin_of(out->confidence[i], bins)) + out->cell[i] % 2;
  }
}

// Both compute the metrics of a block and return the code of the first bad row, or kNoBadRow.
template <typename T>
CALIBENCH_INLINE int64_t block_metrics(const CalibrationArgs& args, int64_t begin, int rows, void* scratch,
                                       double, RowBlock* block, RowMetrics* out) {
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
  find_bins_on_edges(args.bins, rows, out);
  return kNoBadRow;
}

template <typename T>
CALIBENCH_INLINE int64_t block_metrics(const CalibrationArgs& args, int64_t begin, int rows, void* scratch,
                                       double half_log_classes, FastBlock* block, RowMetrics* out) {
  fill_fast<true, T>(args.view(), begin, rows, scratch, block);
  const int64_t bad = fill_labels<T>(args.view(), args.labels, begin, rows, block);
  if (CALIBENCH_UNLIKELY(bad != kNoBadRow)) return bad;
  pad(rows, block);
  metrics_from_logits(*block, rows, half_log_classes, args.bins, out);
  out->unsure &= first_bits(rows);
  if (CALIBENCH_UNLIKELY(out->unsure)) {
    recompute_in_float64<T>(args, begin, *block, scratch, out);
    find_bins_on_edges(args.bins, rows, out);
  }
  return kNoBadRow;
}

// Eight rows a lane, in pairs: the error is that of three additions.
CALIBENCH_INLINE D sum_block(const double* rows) {
  static_assert(kBlockRows == 64, "eight vectors");
  D pairs[4];
  for (int i = 0; i < 4; ++i) pairs[i] = load(rows + 16 * i) + load(rows + 16 * i + 8);
  return (pairs[0] + pairs[1]) + (pairs[2] + pairs[3]);
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
  const bool in_cells = args.bins <= Cells::kMaxBins && end - begin >= Cells::kMinRows;
  Cells cells(in_cells ? args.bins : 0);
  const double half_log_classes = half_log(args.classes);
  for (int64_t start = begin; start < end; start += kBlockRows) {
    const int rows = static_cast<int>(min_of<int64_t>(kBlockRows, end - start));
    totals->first_bad = block_metrics<T>(args, start, rows, scratch, half_log_classes, &block, &metrics);
    if (CALIBENCH_UNLIKELY(totals->first_bad != kNoBadRow)) return;
    if (in_cells) {
      cells.add(metrics, rows);
    } else {
      add_to_bins(metrics, rows, bins);
    }
    if (rows < kBlockRows) {
      const size_t rest = static_cast<size_t>(kBlockRows - rows) * sizeof(double);
      memset(metrics.nll + rows, 0, rest);
      memset(metrics.brier + rows, 0, rest);
    }
    add(&nll, sum_block(metrics.nll));
    add(&brier, sum_block(metrics.brier));
    if (samples != nullptr) store_samples(metrics, block.prediction, rows, args.rows, samples + start);
  }
  if (in_cells) cells.add_to(bins);
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
