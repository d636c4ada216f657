// One bootstrap resample: draws N positions, 64 at a time, counts how often each was drawn, and multiplies
// the counts into the sums of the cells.
#pragma once

#include "../core/bootstrap_bins.h"

namespace calibench::CALIBENCH_ISA {

struct KeySchedule {
  uint64_t low[10], high[10];
};

CALIBENCH_INLINE KeySchedule schedule(PhiloxKey key) {
  KeySchedule keys;
  for (int round = 0; round < 10; ++round) {
    keys.low[round] = key.low;
    keys.high[round] = key.high;
    key.low += 0x9E3779B9u;
    key.high += 0xBB67AE85u;
  }
  return keys;
}

// Philox4x32-10 on the 8 counters j .. j + 7 at once, as 4 x 8 positions. core/philox.h is the definition.
CALIBENCH_INLINE void draw32(uint64_t j, uint64_t b, const KeySchedule& keys, uint64_t samples,
                             uint64_t* positions) {
  const U multiplier0 = set_integer(0xD2511F53u), multiplier1 = set_integer(0xCD9E8D57u);
  U c0 = count_from(j), c1 = high_half(c0), c2 = set_integer(b & 0xffffffffu), c3 = set_integer(b >> 32);
  for (int round = 0; round < 10; ++round) {
    const U first = multiply(c0, multiplier0), second = multiply(c2, multiplier1);
    c0 = exclusive_or(high_word(second), c1, set_integer(keys.low[round]));
    c2 = exclusive_or(high_word(first), c3, set_integer(keys.high[round]));
    c1 = second;  // the words are the low halves; `multiply` ignores the high halves
    c3 = first;
  }
  const U n = set_integer(samples);
  store(positions, high_half(multiply(c0, n)));
  store(positions + 8, high_half(multiply(c1, n)));
  store(positions + 16, high_half(multiply(c2, n)));
  store(positions + 24, high_half(multiply(c3, n)));
}

CALIBENCH_INLINE int64_t total(V a) {
  int32_t lanes[8];
  int64_t sum = 0;
  store(lanes, a);
  for (int l = 0; l < 8; ++l) sum += lanes[l];
  return sum;
}

// Adds up one cell, samples [from, to): the number of draws, and the drawn confidences in fixed point.
CALIBENCH_INLINE void sum_cell(const uint8_t* counts, const BootstrapArgs& args, int64_t from, int64_t to,
                               int64_t* drawn, int64_t* confidence) {
  constexpr int64_t kMaxRun = 16 * 128;  // 128 pairs of products below 255 * 2^15 fit 31 bits
  const W one = set_words(1);
  int64_t q = from;
  while (q + 16 <= to) {
    const int64_t end = min_of(to, q + kMaxRun);
    V times = set_sums(0), parts[kDigits] = {times, times, times, times};
    for (; q + 16 <= end; q += 16) {
      const W count = widen_bytes(counts + q);
      times = times + multiply_pairs(count, one);
      for (int d = 0; d < kDigits; ++d) {
        parts[d] = parts[d] + multiply_pairs(count, load_words(args.digits + d * args.samples + q));
      }
    }
    *drawn += total(times);
    for (int d = 0; d < kDigits; ++d) *confidence += total(parts[d]) << (kDigitBits * d);
  }
  for (; q < to; ++q) {
    *drawn += counts[q];
    *confidence += counts[q] * from_digits(args.digits + q, args.samples);
  }
}

// Counts how often resample b draws each of N samples, in counts [N]. A byte per sample is enough: a count is
// at most Poisson(1) distributed, so 256 draws of one sample have probability 1e-507.
static void count_draws(int64_t N, int64_t seed, int64_t b, uint8_t* counts) {
  const PhiloxKey key = philox_key(seed);
  const KeySchedule keys = schedule(key);
  memset(counts, 0, static_cast<size_t>(N));
  int64_t i = 0;
  if (N <= kNarrowDraws) {
    alignas(64) uint64_t positions[64];
    for (; i + 64 <= N; i += 64) {
      draw32(static_cast<uint64_t>(i / 4), static_cast<uint64_t>(b), keys, static_cast<uint64_t>(N),
             positions);
      draw32(static_cast<uint64_t>(i / 4 + 8), static_cast<uint64_t>(b), keys, static_cast<uint64_t>(N),
             positions + 32);
#pragma GCC unroll 16
      for (int l = 0; l < 64; ++l) ++counts[positions[l]];
    }
    for (; i < N; ++i) {
      const PhiloxBlock block = philox_draws(static_cast<uint64_t>(i / 4), static_cast<uint64_t>(b), key);
      ++counts[narrow_position(block.word[i % 4], N)];
    }
  }
  for (; i < N; ++i) {
    const PhiloxBlock block = philox_draws(static_cast<uint64_t>(i / 2), static_cast<uint64_t>(b), key);
    ++counts[wide_position(block.word[2 * (i % 2)], block.word[2 * (i % 2) + 1], N)];
  }
}

// Writes sums [3, M] of resample b: count, sum of confidence, number correct. `counts` [N] is scratch.
static void resample(const BootstrapArgs& args, int64_t b, uint8_t* counts, double* sums) {
  const int64_t M = args.bins;
  count_draws(args.samples, args.seed, b, counts);
  for (int64_t k = 0; k < M; ++k) {
    int64_t wrong = 0, right = 0, confidence = 0;
    sum_cell(counts, args, args.cell_begins[2 * k], args.cell_begins[2 * k + 1], &wrong, &confidence);
    sum_cell(counts, args, args.cell_begins[2 * k + 1], args.cell_begins[2 * k + 2], &right, &confidence);
    sums[k] = static_cast<double>(wrong + right);
    sums[M + k] = static_cast<double>(confidence) * args.unit;
    sums[2 * M + k] = static_cast<double>(right);
  }
}

}  // namespace calibench::CALIBENCH_ISA
