// Resampling: counts of resamples side by side, their weighted sums over ranges of items, and the areas below
// their risk-coverage curves. A lane is a resample, and multiplications and additions are never fused: every
// instruction set gives the same bits.
#pragma once

#include "../core/resample.h"

namespace calibench::CALIBENCH_ISA {

// Transposes the 8 x 8 bytes in x[0 .. 7].
CALIBENCH_INLINE void transpose_bytes(uint64_t* x) {
  constexpr uint64_t kHalves = 0x00000000ffffffffu, kQuarters = 0x0000ffff0000ffffu,
                     kBytes = 0x00ff00ff00ff00ffu;
  for (int r = 0; r < 4; ++r) {
    const uint64_t a = x[r], b = x[r + 4];
    x[r] = (a & kHalves) | (b << 32);
    x[r + 4] = (a >> 32) | (b & ~kHalves);
  }
  for (int four = 0; four < 8; four += 4) {
    for (int r = four; r < four + 2; ++r) {
      const uint64_t a = x[r], b = x[r + 2];
      x[r] = (a & kQuarters) | ((b & kQuarters) << 16);
      x[r + 2] = ((a >> 16) & kQuarters) | (b & ~kQuarters);
    }
  }
  for (int r = 0; r < 8; r += 2) {
    const uint64_t a = x[r], b = x[r + 1];
    x[r] = (a & kBytes) | ((b & kBytes) << 8);
    x[r + 1] = ((a >> 8) & kBytes) | (b & ~kBytes);
  }
}

// Writes the rows [8, n] of `rows` to 8 adjacent columns of a matrix [n, lanes].
static void interleave(const uint8_t* rows, int64_t samples, uint8_t* out, int64_t lanes) {
  int64_t i = 0;
  for (; i + 8 <= samples; i += 8) {
    uint64_t x[8];
    for (int r = 0; r < 8; ++r) memcpy(&x[r], rows + r * samples + i, 8);
    transpose_bytes(x);
    for (int r = 0; r < 8; ++r) memcpy(out + (i + r) * lanes, &x[r], 8);
  }
  for (; i < samples; ++i) {
    for (int r = 0; r < 8; ++r) out[i * lanes + r] = rows[r * samples + i];
  }
}

// Converts the weights of `rows` items from item `first`, of kLanes resamples, to doubles.
CALIBENCH_INLINE void load_weights(const ResampledCounts& weights, int64_t first, int64_t rows, int64_t lane,
                                   double* out) {
  constexpr int64_t kAhead = 24;
  for (int64_t i = 0; i < rows; ++i) {
    if (weights.places != nullptr && i + kAhead < rows) {
      __builtin_prefetch(weights.of(first + i + kAhead) + lane);
    }
    const uint8_t* row = weights.of(first + i) + lane;
    store(out + i * kLanes, load8(row));
    store(out + i * kLanes + 8, load8(row + 8));
  }
}

// Copies `rows` numbers from number `first` on as doubles.
CALIBENCH_INLINE void load_numbers(const Column& column, int64_t first, int64_t rows, double* out) {
  const auto copy = [&](const auto* numbers, double unit) __attribute__((always_inline)) {
    for (int64_t i = 0; i < rows; ++i) out[i] = static_cast<double>(numbers[first + i]) * unit;
  };
  switch (column.type) {
    case NumberType::kFloat64:
      return copy(static_cast<const double*>(column.numbers), 1.0);
    case NumberType::kFloat32:
      return copy(static_cast<const float*>(column.numbers), 1.0);
    case NumberType::kFixed:
      return copy(static_cast<const int32_t*>(column.numbers), 1.0 / (1 << kFixedBits));
    case NumberType::kBool:
      return copy(static_cast<const uint8_t*>(column.numbers), 1.0);
  }
}

CALIBENCH_INLINE void add_to(double* out, D a, D b) {
  store(out, load(out) + a);
  store(out + 8, load(out + 8) + b);
}

// Adds the weighted sums of kColumns columns, kTile apart in `values`, over `rows` items to rows of `sums`,
// `lanes` apart.
template <int kColumns>
CALIBENCH_INLINE void add_columns(const double* weights, int64_t rows, const double* values, double* sums,
                                  int64_t lanes) {
  D a[kColumns], b[kColumns];
  for (int c = 0; c < kColumns; ++c) a[c] = b[c] = set(0.0);
  for (int64_t i = 0; i < rows; ++i) {
    const D low = load(weights + i * kLanes), high = load(weights + i * kLanes + 8);
    for (int c = 0; c < kColumns; ++c) {
      const D value = set(values[c * kTile + i]);
      a[c] = a[c] + low * value;
      b[c] = b[c] + high * value;
    }
  }
  for (int c = 0; c < kColumns; ++c) add_to(sums + c * lanes, a[c], b[c]);
}

CALIBENCH_INLINE void add_counts(const double* weights, int64_t rows, double* sums) {
  D a = set(0.0), b = a;
  for (int64_t i = 0; i < rows; ++i) {
    a = a + load(weights + i * kLanes);
    b = b + load(weights + i * kLanes + 8);
  }
  add_to(sums, a, b);
}

// The sums of ranges [from, to) in resamples [lane, lane + kLanes). `scratch` has kTile * (kLanes + C)
// doubles.
static void resample_sums(const ResampleSumsArgs& args, int64_t from, int64_t to, int64_t lane,
                          double* scratch) {
  const int64_t lanes = args.weights.lanes;
  for (int64_t s = from; s < to; ++s) {
    double* sums = args.sums + s * (args.num_columns + 1) * lanes + lane;
    for (int64_t c = 0; c <= args.num_columns; ++c) {
      store(sums + c * lanes, set(0.0));
      store(sums + c * lanes + 8, set(0.0));
    }
    for (int64_t i = s == 0 ? 0 : args.ends[s - 1]; i < args.ends[s]; i += kTile) {
      const int64_t rows = min_of(kTile, args.ends[s] - i);
      load_weights(args.weights, i, rows, lane, scratch);
      add_counts(scratch, rows, sums);
      double* values = scratch + kTile * kLanes;
      for (int64_t c = 0; c < args.num_columns; ++c) {
        load_numbers(args.columns[c], i, rows, values + c * kTile);
      }
      int64_t c = 0;
      for (; c + 3 <= args.num_columns; c += 3) {
        add_columns<3>(scratch, rows, values + c * kTile, sums + (c + 1) * lanes, lanes);
      }
      for (; c < args.num_columns; ++c) {
        add_columns<1>(scratch, rows, values + c * kTile, sums + (c + 1) * lanes, lanes);
      }
    }
  }
}

CALIBENCH_INLINE void add_weighted(const uint8_t* row, double value, D* a, D* b) {
  *a = *a + load8(row) * set(value);
  *b = *b + load8(row + 8) * set(value);
}

// The sums of groups of equally many draws in resamples [lane, lane + 8). A group may end within the draws of
// one item: the others are in the next group.
static void group_sums(const GroupSumArgs& args, int64_t lane) {
  constexpr int64_t kAhead = 24;
  const int64_t P = args.weights.lanes;
  for (int64_t g = 0; g < args.groups; ++g) store(args.sums + g * P + lane, set(0.0));
  int64_t group[8] = {};
  double values[kTile], more[kTile];
  D drawn = set(0.0), sum = drawn, end = load(args.ends + lane);
  for (int64_t i = 0; i < args.items; ++i) {
    if (i % kTile == 0) {
      const int64_t rows = min_of(kTile, args.items - i);
      for (int64_t c = 0; c < args.num_columns; ++c) {
        load_numbers(args.columns[c], i, rows, c == 0 ? values : more);
        for (int64_t r = 0; c > 0 && r < rows; ++r) values[r] += more[r];
      }
    }
    __builtin_prefetch(args.weights.of(min_of(i + kAhead, args.items - 1)) + lane);
    const D weight = load8(args.weights.of(i) + lane), value = set(values[i % kTile]);
    drawn = drawn + weight;
    sum = sum + weight * value;
    unsigned full = bits(less(end, drawn));
    if (CALIBENCH_UNLIKELY(full != 0)) {
      double draws[8], sums[8], ends[8];
      store(draws, drawn);
      store(sums, sum);
      store(ends, end);
      for (; full != 0; full &= full - 1) {
        const int l = __builtin_ctz(full);
        while (draws[l] > ends[l] && group[l] + 1 < args.groups) {
          const double beyond = (draws[l] - ends[l]) * values[i % kTile];
          args.sums[group[l] * P + lane + l] = sums[l] - beyond;
          sums[l] = beyond;
          ends[l] = args.ends[++group[l] * P + lane + l];
        }
      }
      sum = load(sums);
      end = load(ends);
    }
  }
  double sums[8];
  store(sums, sum);
  for (int l = 0; l < 8; ++l) args.sums[group[l] * P + lane + l] = sums[l];
}

// The sum over classes and bins of |sum of w (p - y)| in resamples [lane, lane + kLanes). Bin 0 of a class
// has what is left of its total.
static void class_errors(const ClassErrorArgs& args, int64_t lane) {
  constexpr int64_t kAhead = 24;
  const D zero = set(0.0);
  D error[2] = {zero, zero};
  int64_t entry = 0;
  const int64_t last_entry = args.cell_ends[args.classes * args.bins - 1] - 1;
  for (int64_t k = 0; k < args.classes; ++k) {
    const double* total = args.totals + k * args.entries.lanes + lane;
    D rest[2] = {load(total), load(total + 8)};
    for (int64_t cell = k * args.bins; cell < (k + 1) * args.bins; ++cell) {
      if (args.cell_ends[cell] == entry) continue;
      D gap[2] = {zero, zero};
      for (; entry < args.cell_ends[cell]; ++entry) {
        __builtin_prefetch(args.entries.of(min_of(entry + kAhead, last_entry)) + lane);
        const double value = static_cast<double>(args.gaps[entry]) * (1.0 / (1 << kFixedBits));
        add_weighted(args.entries.of(entry) + lane, value, &gap[0], &gap[1]);
      }
      for (int half = 0; half < 2; ++half) {
        rest[half] = rest[half] - gap[half];
        error[half] = error[half] + abs(gap[half]);
      }
    }
    error[0] = error[0] + abs(rest[0]);
    error[1] = error[1] + abs(rest[1]);
  }
  store(args.errors + lane, error[0]);
  store(args.errors + lane + 8, error[1]);
}

// The sum over cells of |offset - factor * label count| in draws [lane, lane + 8).
static void gap_sizes(const int32_t* labels, int64_t cells, int64_t lanes, const double* offset,
                      const double* factor, int64_t lane, double* sizes) {
  D size = set(0.0);
  for (int64_t c = 0; c < cells; ++c) {
    size = size + abs(set(offset[c]) - set(factor[c]) * load8(labels + c * lanes + lane));
  }
  store(sizes + lane, size);
}

// Running figures of one resample per lane, along the ranks.
struct RunningRisk {
  D accepted, errors, selective, joint;
  D harmonic;  // H(accepted), within the table
};

constexpr double kEulerGamma = 0x1.2788cfc6fb619p-1;

// H(n) of each lane, for whole numbers n up to kHarmonics.
CALIBENCH_INLINE D harmonic_of_table(D n) {
  double numbers[8], sums[8];
  store(numbers, n);
  for (int l = 0; l < 8; ++l) sums[l] = kHarmonicTable.sums[static_cast<int64_t>(numbers[l])];
  return load(sums);
}

// H(n) of whole numbers n: beyond the table it is `ln n + gamma + 1 / 2n - 1 / 12n^2`, which differs by less
// than 1e-16.
CALIBENCH_INLINE D harmonic_number(D n) {
  const D most = set(static_cast<double>(kHarmonics)), inverse = set(1.0) / max(n, set(1.0));
  const D far = log_unfused(max(n, set(1.0))) + set(kEulerGamma);
  const D series = inverse * set(0.5) - inverse * inverse * set(1.0 / 12);
  return select(less(most, n), far + series, harmonic_of_table(min(n, most)));
}

// H(a + m) - H(a) of whole numbers, where a + m lies beyond the table. For m small beside a, it is the sum of
// 1 / (x + d) over the m steps d around the middle x, as a series in 1 / x^2 of the mean powers of d; the
// rest is less than 1e-17.
CALIBENCH_INLINE D harmonic_span(D a, D m) {
  constexpr double kSmallPart = 1.0 / 64;
  const D one = set(1.0), x = a + (m + one) * set(0.5);
  if (CALIBENCH_UNLIKELY(bits(less(x * set(kSmallPart), m)) != 0)) {
    return harmonic_number(a + m) - harmonic_number(a);
  }
  const D inverse = one / x, u = inverse * inverse, square = m * m;
  const D fourth = square * set(3.0 / 240) - set(7.0 / 240);
  const D sixth = (square * set(3.0 / 1344) - set(18.0 / 1344)) * square + set(31.0 / 1344);
  const D powers = set(1.0 / 12) + u * (fourth + u * sixth);
  return m * inverse * (one + u * (square - one) * powers);
}

// H(accepted) - H(before) for a tie of `size` samples that ends at `accepted`.
CALIBENCH_INLINE D tie_span(D accepted, D size, RunningRisk* risk) {
  const D most = set(static_cast<double>(kHarmonics));
  if (CALIBENCH_UNLIKELY(bits(less(most, accepted)) == 0)) {
    const D until = harmonic_of_table(accepted), span = until - risk->harmonic;
    risk->harmonic = until;
    return span;
  }
  return harmonic_span(risk->accepted, size);
}

// Adds a tie of `size` samples with `wrong` errors. `all_wrong` and `all_right` speak of the items of the
// tie.
CALIBENCH_INLINE void add_tie(D size, D wrong, bool all_right, bool all_wrong, RunningRisk* risk) {
  const D accepted = risk->accepted + size, span = tie_span(accepted, size, risk);
  if (all_right) {
    risk->selective = risk->selective + risk->errors * span;
    risk->joint = risk->joint + size * risk->errors;
  } else {
    const D rate = all_wrong ? set(1.0) : wrong / max(size, set(1.0));
    risk->selective = risk->selective + (wrong + (risk->errors - risk->accepted * rate) * span);
    risk->joint = risk->joint + size * (risk->errors + wrong * set(0.5));
    risk->errors = risk->errors + wrong;
  }
  risk->accepted = accepted;
}

CALIBENCH_INLINE void write_risk(const RunningRisk& risk, int64_t lanes, double* out) {
  store(out, risk.accepted);
  store(out + lanes, risk.errors);
  store(out + 2 * lanes, risk.selective);
  store(out + 3 * lanes, risk.joint);
}

// The risks of resamples [lane, lane + kLanes). A tie of m samples with e errors, after a samples with E
// errors, adds e + (E - a e / m) (H(a + m) - H(a)) to the selective risk and m E + e m / 2 to the joint risk.
static void resample_risks(const ResampleRisksArgs& args, int64_t lane) {
  constexpr int64_t kAhead = 24;
  const D zero = set(0.0);
  RunningRisk low = {zero, zero, zero, zero, zero}, high = low;
  const int64_t items = args.ties == 0 ? 0 : args.ends[args.ties - 1];
  int64_t i = 0;
  for (int64_t t = 0; t < args.ties; ++t) {
    D size[2] = {zero, zero}, wrong[2] = {zero, zero};
    const int64_t begin = i;
    int64_t num_wrong = 0;
    for (; i < args.ends[t]; ++i) {
      __builtin_prefetch(args.weights.of(min_of(i + kAhead, items - 1)) + lane);
      const uint8_t* row = args.weights.of(i) + lane;
      const D a = load8(row), b = load8(row + 8);
      size[0] = size[0] + a;
      size[1] = size[1] + b;
      if (args.wrong[i] != 0) {
        wrong[0] = wrong[0] + a;
        wrong[1] = wrong[1] + b;
        ++num_wrong;
      }
    }
    add_tie(size[0], wrong[0], num_wrong == 0, num_wrong == i - begin, &low);
    add_tie(size[1], wrong[1], num_wrong == 0, num_wrong == i - begin, &high);
  }
  write_risk(low, args.weights.lanes, args.risks + lane);
  write_risk(high, args.weights.lanes, args.risks + lane + 8);
}

}  // namespace calibench::CALIBENCH_ISA
