// The table of class-wise bins: sums of probabilities and of their squares in each cell, and the entries
// above bin 0.
#pragma once

#include "class_rows.h"

namespace calibench::CALIBENCH_ISA {

// Adds items [begin, end) to moments [2, M, K] and to the expected number of right predictions. Up to `room`
// entries are written; returns how many there are. `scratch` has row_scratch(K) doubles.
template <typename T>
static int64_t class_table_chunk(const ClassRows& rows, int64_t begin, int64_t end, double* moments,
                                 double* expected_right, ClassEntry* entries, int64_t room, double* scratch) {
  const int64_t K = rows.scores.classes, M = rows.bins;
  const double first_edge = first_edge_of(M);
  double* squares = moments + K * M;
  double* p = scratch;
  int32_t* cells = reinterpret_cast<int32_t*>(scratch + K + 8);
  int64_t count = 0;
  const auto add_one = [&](int64_t item, int64_t k, int64_t bin) {
    moments[bin * K + k] += p[k];
    squares[bin * K + k] += p[k] * p[k];
    if (bin == 0) return;
    const int32_t cell = static_cast<int32_t>(k * M + bin);
    if (count < room) entries[count] = {p[k], static_cast<int32_t>(rows.row(item)), cell};
    ++count;
  };
  for (int64_t item = begin; item < end; ++item) {
    const int64_t prediction = row_probabilities<T>(rows, item, p);
    if (rows.factors != nullptr) {
      find_cells(rows, first_edge, p, cells);
      for (int64_t k = 0; k < K; ++k) add_one(item, k, cells[k] - k * M);
      *expected_right += p[prediction];
      continue;
    }
    *expected_right += p[prediction];
    int64_t k = 0;
    for (; k + 8 <= K; k += 8) {  // bin 0, in which most entries are, by vectors
      const D value = load(p + k);
      unsigned above = bits(less(set(first_edge), value));
      const D first = select(mask8(above), set(0.0), value);
      store(moments + k, load(moments + k) + first);
      store(squares + k, load(squares + k) + first * first);
      for (; above != 0; above &= above - 1) {
        const int64_t j = k + __builtin_ctz(above);
        add_one(item, j, class_bin_of(p[j], first_edge, M));
      }
    }
    for (; k < K; ++k) add_one(item, k, class_bin_of(p[k], first_edge, M));
  }
  return count;
}

}  // namespace calibench::CALIBENCH_ISA
