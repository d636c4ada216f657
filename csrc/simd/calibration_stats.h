// A chunk of calibration_stats: blocks of 64 rows into sums per bin and totals.
#pragma once

#include "../core/calibration_stats.h"

namespace calibench::CALIBENCH_ISA {

// Neumaier's Sum without its branch: confidences are finite.
CALIBENCH_INLINE void add_finite(Sum* sum, double value) {
  const double total = sum->sum + value;
  const double back = total - sum->sum;
  sum->carry += (sum->sum - (total - back)) + (value - back);
  sum->sum = total;
}

CALIBENCH_INLINE void copy_lane(const Finished& from, int lane, int i, Finished* to) {
  to->confidence[i] = from.confidence[lane];
  to->tail[i] = from.tail[lane];
  to->nll[i] = from.nll[lane];
  to->brier[i] = from.brier[lane];
  to->bin[i] = from.bin[lane];
  to->on_edge |= (from.on_edge >> lane & 1) << i;
}

// Computes again in float64 the rows that float32 left open, eight at a time.
template <typename T>
CALIBENCH_FUNCTION void settle(const CalibrationArgs& args, int64_t begin, const RowBlock& block,
                               void* scratch, Finished* out) {
  uint64_t open = out->unsure;
  while (open != 0) {
    RowBlock exact;
    Finished finished;
    int where[8], count = 0;
    for (; open != 0 && count < 8; open &= open - 1) {
      const int i = __builtin_ctzll(open);
      exact_row<false>(contiguous_row<T>(args.view(), begin + i, scratch), args.classes, count, &exact);
      exact.truth[count] = block.truth[i];
      exact.hit[count] = block.hit[i];
      where[count++] = i;
    }
    pad(count, &exact);
    finish_logits<false>(exact, count, args.classes, args.bins, &finished);
    for (int l = 0; l < count; ++l) copy_lane(finished, l, where[l], out);
  }
}

template <typename T>
CALIBENCH_INLINE void finish_block(const CalibrationArgs& args, int64_t begin, int rows, void* scratch,
                                   RowBlock* block, Finished* out, int64_t* bad) {
  const Scores scores = args.view();
  if (args.from_probs) {
    fill_exact<true, T>(scores, begin, rows, scratch, block);
  } else if constexpr (kFast<T>) {
    fill_fast<true, T>(scores, begin, rows, scratch, block);
  } else {
    fill_exact<false, T>(scores, begin, rows, scratch, block);
  }
  *bad = fill_labels<T>(scores, args.labels, args.from_probs, begin, rows, block);
  if (CALIBENCH_UNLIKELY(*bad != kNoBadRow)) return;
  pad(rows, block);
  if (args.from_probs) {
    finish_probs(*block, rows, args.bins, out);
  } else {
    finish_logits<kFast<T>>(*block, rows, args.classes, args.bins, out);
  }
  if (rows < kBlockRows) {
    out->unsure &= (uint64_t{1} << rows) - 1;
    out->on_edge &= (uint64_t{1} << rows) - 1;
  }
  if constexpr (kFast<T>) {
    if (CALIBENCH_UNLIKELY(out->unsure)) settle<T>(args, begin, *block, scratch, out);
  }
  for (uint64_t edge = out->on_edge; edge != 0; edge &= edge - 1) {
    const int i = __builtin_ctzll(edge);
    out->bin[i] = static_cast<double>(bin_of(out->confidence[i], args.bins));
  }
}

// Adds rows [begin, end) to `bins` [M] and `totals`; stops at the first bad row. `samples` is [5, N] or null.
template <typename T>
static void calibration_chunk(const CalibrationArgs& args, int64_t begin, int64_t end, BinSums* bins,
                              ChunkTotals* totals, double* samples, void* scratch) {
  RowBlock block;
  Finished done;
  Sums nll{set(0.0), set(0.0)}, brier = nll;
  for (int64_t start = begin; start < end; start += kBlockRows) {
    const int rows = static_cast<int>(least<int64_t>(kBlockRows, end - start));
    finish_block<T>(args, start, rows, scratch, &block, &done, &totals->first_bad);
    if (CALIBENCH_UNLIKELY(totals->first_bad != kNoBadRow)) return;
    for (int i = 0; i < rows; ++i) {
      BinSums& bin = bins[static_cast<int64_t>(done.bin[i])];
      bin.count += 1;
      bin.correct += static_cast<int64_t>(block.hit[i]);
      add_finite(&bin.confidence, done.confidence[i]);
    }
    for (int i = rows; i % 8 != 0; ++i) done.nll[i] = done.brier[i] = 0.0;
    for (int i = 0; i < rows; i += 8) {
      add(&nll, load(done.nll + i));
      add(&brier, load(done.brier + i));
    }
    if (samples == nullptr) continue;
    const double* columns[] = {done.confidence, done.tail, nullptr, done.nll, done.brier};
    for (int r = 0; r < kSampleRows; ++r) {
      double* out = samples + r * args.rows + start;
      for (int i = 0; i < rows; ++i) {
        out[i] = r == kPrediction ? static_cast<double>(block.prediction[i]) : columns[r][i];
      }
    }
  }
  alignas(64) double sums[4][8];
  store(sums[0], nll.sum);
  store(sums[1], nll.carry);
  store(sums[2], brier.sum);
  store(sums[3], brier.carry);
  for (int l = 0; l < 8; ++l) {
    Sum part;
    part.sum = sums[0][l];
    part.carry = sums[1][l];
    totals->nll.add(part);
    part.sum = sums[2][l];
    part.carry = sums[3][l];
    totals->brier.add(part);
  }
}

}  // namespace calibench::CALIBENCH_ISA
