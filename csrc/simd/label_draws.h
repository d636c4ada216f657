// Labels drawn from class probabilities. A lane is a draw, so a row is prepared once for all draws.
#pragma once

#include "bootstrap_bins.h"
#include "class_rows.h"

namespace calibench::CALIBENCH_ISA {

constexpr int32_t kMostShare = INT32_MAX;
constexpr double kLeastOthers = 0x1p-960;  // 2^31 divided by it is finite
constexpr int64_t kFewClasses = 16;
constexpr int64_t kStrip = 512;  // draws whose words are kept
constexpr int64_t kBlock = 64;   // classes whose cells and shares are computed together, when first needed

// One row, ready to be drawn from. Shares are those of the classes other than the prediction, in 2^-31.
struct DrawnRow {
  uint32_t limit;    // the label is the prediction if a word is at most this
  int32_t own_cell;  // of the prediction
  int64_t last;      // the last class that can be drawn among the others
  double sum;        // of all terms
  double shares;     // 2^31 / the sum of the terms of the other classes
  double* terms;     // [K] 0 for the prediction
  double* running;   // [K / 64] the sum of the terms before a block of classes
  int32_t*
      block_ends;  // [K / 64, padded to a multiple of 8] the share of the classes up to the end of a block
  int32_t* cells;  // [K]
  int32_t* ends;   // [K, padded] the share of the classes up to k
  bool* ready;     // [K / 64] whether a block has its cells and ends
};

// The whole number below x * 2^32, at most 2^32 - 1: a word is at most this with probability x.
CALIBENCH_INLINE uint32_t word_limit(double x) {
  const double scaled = x * 0x1p32;
  if (!(scaled > 1.0)) return 0;
  if (scaled >= 0x1p32) return UINT32_MAX;
  const uint64_t whole = static_cast<uint64_t>(scaled);
  return static_cast<uint32_t>(static_cast<double>(whole) == scaled ? whole - 1 : whole);
}

CALIBENCH_INLINE int64_t padded8(int64_t n) { return (n + 7) / 8 * 8; }

CALIBENCH_INLINE int32_t share_of(double running, double shares) {
  const double share = running * shares;
  return share >= static_cast<double>(kMostShare) ? kMostShare : static_cast<int32_t>(share);
}

// Prepares item q. `scratch` has row_scratch(K) doubles.
template <typename T>
CALIBENCH_INLINE DrawnRow prepare_row(const ClassRows& rows, double first_edge, int64_t item,
                                      double* scratch) {
  const int64_t K = rows.scores.classes, M = rows.bins, blocks = (K + kBlock - 1) / kBlock;
  DrawnRow row{};
  row.terms = scratch;
  row.running = scratch + K + 8;
  row.cells = reinterpret_cast<int32_t*>(row.running + blocks);
  row.ends = row.cells + padded8(K);
  row.block_ends = row.ends + padded8(K);
  row.ready = reinterpret_cast<bool*>(row.block_ends + padded8(blocks));
  const RowTerms terms = row_terms<T>(rows, item, row.terms);
  row.sum = terms.sum;
  if (rows.factors != nullptr) {
    for (int64_t k = 0; k < K; ++k) {
      const int64_t cell = k * M + class_bin_of(row.terms[k] / row.sum, first_edge, M);
      row.cells[k] = static_cast<int32_t>(cell);
      row.terms[k] = row.terms[k] / row.sum * rows.factors[cell];
    }
    row.sum = 0.0;
    for (int64_t k = 0; k < K; ++k) row.sum += row.terms[k];
    row.own_cell = row.cells[terms.prediction];
  } else {
    const double p = row.terms[terms.prediction] / row.sum;
    row.own_cell = static_cast<int32_t>(terms.prediction * M + class_bin_of(p, first_edge, M));
  }
  row.limit = word_limit(row.terms[terms.prediction] / row.sum);
  row.terms[terms.prediction] = 0.0;
  for (int64_t k = K; k < padded8(K); ++k) row.terms[k] = 0.0;
  double others = 0.0;
  for (int64_t b = 0; b < blocks; ++b) {
    D total = set(0.0);
    for (int64_t k = b * kBlock; k < min_of(K, (b + 1) * kBlock); k += 8) total = total + load(row.terms + k);
    row.running[b] = others;
    others += sum_in_order(total);
    row.ready[b] = false;
  }
  // Nothing is left for the others; or scores are NaN or infinite, and shares would be NaN.
  if (!(others > kLeastOthers && others < HUGE_VAL)) row.limit = UINT32_MAX;
  if (row.limit == UINT32_MAX) return row;
  row.shares = 0x1p31 / others;
  for (int64_t b = 0; b < padded8(blocks); ++b) {
    row.block_ends[b] = b + 1 < blocks ? share_of(row.running[b + 1], row.shares) : kMostShare;
  }
  row.last = K - 1;
  while (row.terms[row.last] == 0.0) --row.last;
  return row;
}

// Fills the cells and the shares of a block of classes.
CALIBENCH_INLINE void prepare_block(const ClassRows& rows, double first_edge, const DrawnRow& row,
                                    int64_t b) {
  const int64_t K = rows.scores.classes, M = rows.bins, end = min_of(K, (b + 1) * kBlock);
  double running = row.running[b];
  const double surely_first = row.sum * first_edge * (1 - 1e-12);
  for (int64_t k = b * kBlock; k < end; ++k) {
    running += row.terms[k];
    row.ends[k] = share_of(running, row.shares);
    if (rows.factors == nullptr) {
      const bool first = row.terms[k] < surely_first;
      row.cells[k] =
          static_cast<int32_t>(k * M + (first ? 0 : class_bin_of(row.terms[k] / row.sum, first_edge, M)));
    }
  }
  for (int64_t k = end; k < padded8(end); ++k) row.ends[k] = kMostShare;
  row.ready[b] = true;
}

// The place of the first of `count` rising numbers that is above `value`; `count` if none is. `count` is a
// multiple of 8.
CALIBENCH_INLINE int64_t first_above(const int32_t* rising, int64_t count, int32_t value) {
  for (int64_t j = 0; j < count; j += 8) {
    const unsigned above = bits_above(load_sums(rising + j), set_sums(value));
    if (above != 0) return j + __builtin_ctz(above);
  }
  return count;
}

// The cell of the class that a word selects among all but the prediction.
CALIBENCH_INLINE int32_t other_cell(const ClassRows& rows, double first_edge, const DrawnRow& row,
                                    uint32_t word) {
  const int32_t share = static_cast<int32_t>(word >> 1);
  const int64_t blocks = (rows.scores.classes + kBlock - 1) / kBlock;
  const int64_t b =
      min_of(blocks == 1 ? 0 : first_above(row.block_ends, padded8(blocks), share), row.last / kBlock);
  if (!row.ready[b]) prepare_block(rows, first_edge, row, b);
  const int64_t begin = b * kBlock, end = min_of(padded8(rows.scores.classes), begin + kBlock);
  return row
      .cells[min_of(begin + first_above(row.ends + begin, end - begin, share), min_of(row.last, end - 1))];
}

// Counts the labels other than the prediction, which `words` select, in the draws above their low halves, for
// up to kFewClasses classes. It does what `other_cell` does, without branches, which would be taken at
// random.
CALIBENCH_INLINE void count_others(const LabelDrawArgs& args, double first_edge, const DrawnRow& row,
                                   const uint64_t* words, const uint64_t* end) {
  if (words == end) return;
  if (!row.ready[0]) prepare_block(args.rows, first_edge, row, 0);
  const V low = load_sums(row.ends), high = load_sums(row.ends + padded8(args.rows.scores.classes) - 8);
  const unsigned last = 1u << row.last;
  const int shift = args.rows.scores.classes > 8 ? 8 : 0;
  for (; words != end; ++words) {
    const V share = set_sums(static_cast<int32_t>(static_cast<uint32_t>(*words) >> 1));
    const unsigned above = bits_above(low, share) | bits_above(high, share) << shift | last;
    ++args.labels[row.cells[__builtin_ctz(above)] * args.lanes + static_cast<int64_t>(*words >> 32)];
  }
}

// Counts the labels of 8 draws of one row, from lane `lane` on. Of few classes, the words of labels that are
// not the prediction are appended to `words`, each below its draw, for `count_others`. Returns their new end.
CALIBENCH_INLINE uint64_t* count_labels(const LabelDrawArgs& args, double first_edge, const DrawnRow& row,
                                        int64_t cell, U decide, U choose, int64_t lane, uint64_t* words) {
  const V hit = count_at_most(decide, row.limit);
  int32_t* right = args.right + cell * args.lanes + lane;
  int32_t* own = args.labels + static_cast<int64_t>(row.own_cell) * args.lanes + lane;
  store(right, load_sums(right) + hit);
  store(own, load_sums(own) + hit);
  unsigned wrong = ~bits_above(hit, set_sums(0)) & 0xffu;
  if (args.rows.scores.classes <= kFewClasses) {
    return append(words, choose, count_from(static_cast<uint64_t>(lane)), wrong);
  }
  if (wrong == 0) return words;
  uint64_t chosen[8];
  store(chosen, choose);
  for (; wrong != 0; wrong &= wrong - 1) {
    const int l = __builtin_ctz(wrong);
    const int64_t other = other_cell(args.rows, first_edge, row, static_cast<uint32_t>(chosen[l]));
    ++args.labels[other * args.lanes + lane + l];
  }
  return words;
}

// Adds the labels of a row, or of two, in all draws to args.right and args.labels.
CALIBENCH_INLINE void draw_pair(const LabelDrawArgs& args, double first_edge, const KeySchedule& keys,
                                int64_t item, const DrawnRow& even, const DrawnRow* odd) {
  const U multiplier0 = set_integer(0xD2511F53u), multiplier1 = set_integer(0xCD9E8D57u);
  const U counter = set_integer(static_cast<uint64_t>(item / 2));
  const uint64_t first = static_cast<uint64_t>(args.first);
  uint64_t of_even[kStrip + 8], of_odd[kStrip + 8];
  for (int64_t begin = 0; begin < args.lanes; begin += kStrip) {
    uint64_t *even_end = of_even, *odd_end = of_odd;
    for (int64_t lane = begin; lane < min_of(args.lanes, begin + kStrip); lane += 8) {
      // Philox4x32-10 of the counters (item / 2, first + lane .. + 7); core/philox.h is the definition.
      const U draw = count_from(first + static_cast<uint64_t>(lane));
      U c0 = counter, c1 = high_half(counter), c2 = draw, c3 = high_half(draw);
      for (int round = 0; round < 10; ++round) {
        const U one = multiply(c0, multiplier0), two = multiply(c2, multiplier1);
        c0 = exclusive_or(high_word(two), c1, set_integer(keys.low[round]));
        c2 = exclusive_or(high_word(one), c3, set_integer(keys.high[round]));
        c1 = two;
        c3 = one;
      }
      even_end = count_labels(args, first_edge, even, args.cells[item], c0, c1, lane, even_end);
      if (odd != nullptr)
        odd_end = count_labels(args, first_edge, *odd, args.cells[item + 1], c2, c3, lane, odd_end);
    }
    count_others(args, first_edge, even, of_even, even_end);
    if (odd != nullptr) count_others(args, first_edge, *odd, of_odd, odd_end);
  }
}

// Adds the labels of items [begin, end) in all draws to args.right and args.labels; `begin` is even.
// `scratch` has 2 row_scratch(K) doubles.
template <typename T>
static void label_draws_chunk(const LabelDrawArgs& args, int64_t begin, int64_t end, double* scratch) {
  const int64_t K = args.rows.scores.classes;
  const double first_edge = first_edge_of(args.rows.bins);
  const KeySchedule keys = schedule(philox_key(args.seed));
  for (int64_t item = begin; item < end; item += 2) {
    const DrawnRow even = prepare_row<T>(args.rows, first_edge, item, scratch);
    if (item + 1 < end) {
      const DrawnRow odd = prepare_row<T>(args.rows, first_edge, item + 1, scratch + row_scratch(K));
      draw_pair(args, first_edge, keys, item, even, &odd);
    } else {
      draw_pair(args, first_edge, keys, item, even, nullptr);
    }
  }
}

}  // namespace calibench::CALIBENCH_ISA
