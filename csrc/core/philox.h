// Philox4x32-10, the counter-based random number generator of Salmon et al. (2011), and positions
// drawn with it; for host and device. It maps a counter to four words and has no state, so
// resample b draws the same positions everywhere.
#pragma once

#include "types.h"

// Always inlined: in a function call, passing the four words would cost more than the ten rounds.
#define CALIBENCH_PHILOX CALIBENCH_HD __attribute__((always_inline))

namespace calibench {

struct PhiloxKey {
  uint32_t low;
  uint32_t high;
};

struct PhiloxBlock {
  uint32_t word[4];
};

CALIBENCH_PHILOX PhiloxKey philox_key(int64_t seed) {
  const uint64_t bits = static_cast<uint64_t>(seed);
  return {static_cast<uint32_t>(bits), static_cast<uint32_t>(bits >> 32)};
}

CALIBENCH_PHILOX PhiloxBlock philox_round(PhiloxBlock in, PhiloxKey key) {
  const uint64_t first = uint64_t{0xD2511F53u} * in.word[0];
  const uint64_t second = uint64_t{0xCD9E8D57u} * in.word[2];
  return {{static_cast<uint32_t>(second >> 32) ^ in.word[1] ^ key.low, static_cast<uint32_t>(second),
           static_cast<uint32_t>(first >> 32) ^ in.word[3] ^ key.high, static_cast<uint32_t>(first)}};
}

// Random123's philox4x32_R(10, counter, key): ten rounds, and the key changes between rounds, nine times.
CALIBENCH_PHILOX PhiloxBlock philox4x32_10(PhiloxBlock counter, PhiloxKey key) {
#if defined(__CUDA_ARCH__)
#pragma unroll
#endif
  for (int round = 0; round < 9; ++round) {
    counter = philox_round(counter, key);
    key.low += 0x9E3779B9u;
    key.high += 0xBB67AE85u;
  }
  return philox_round(counter, key);
}

// Block j of the random words of resample b.
CALIBENCH_PHILOX PhiloxBlock philox_draws(uint64_t j, uint64_t b, PhiloxKey key) {
  return philox4x32_10({{static_cast<uint32_t>(j), static_cast<uint32_t>(j >> 32), static_cast<uint32_t>(b),
                         static_cast<uint32_t>(b >> 32)}},
                       key);
}

// The first resample or draw of a block is at most this, so that no number of one overflows.
constexpr int64_t kMostFirst = int64_t{1} << 62;

// Up to this many samples, one 32-bit word draws a position (four per block) with a bias below 2^-12 of its
// probability. With more samples, 64 bits draw a position (two per block).
constexpr int64_t kNarrowDraws = int64_t{1} << 20;

CALIBENCH_PHILOX int64_t narrow_position(uint32_t word, int64_t samples) {
  return static_cast<int64_t>((static_cast<uint64_t>(word) * static_cast<uint64_t>(samples)) >> 32);
}

CALIBENCH_PHILOX int64_t wide_position(uint32_t low, uint32_t high, int64_t samples) {
  // The high 64 bits of (high * 2^32 + low) * samples, for samples < 2^63, without a 128-bit type.
  const uint64_t n = static_cast<uint64_t>(samples);
  const uint64_t n_low = n & 0xFFFFFFFFu;
  const uint64_t n_high = n >> 32;
  const uint64_t low_low = low * n_low;
  const uint64_t low_high = low * n_high;
  const uint64_t high_low = high * n_low;
  const uint64_t middle = (low_low >> 32) + (low_high & 0xFFFFFFFFu) + (high_low & 0xFFFFFFFFu);
  return static_cast<int64_t>(high * n_high + (low_high >> 32) + (high_low >> 32) + (middle >> 32));
}

}  // namespace calibench

#undef CALIBENCH_PHILOX
