// The pass over rows of class_units.h. Eight threads share a row, and each takes every eighth class, as the
// lanes of the CPU do: so sums have the same bits, and neighbouring threads read neighbouring scores.
#include "class_entry.h"
#include "class_units.h"
#include "threads.h"

namespace calibench {
namespace {

constexpr int64_t kClassLanes = 8;
constexpr int32_t kNoIndex = INT32_MAX;

// Items [begin, begin + count) of the rows.
struct UnitPass {
  ClassRows rows;
  int64_t begin;
  int64_t count;
  double* tops;
  double* sums;
  int32_t* indices;
  ClassUnit* units;
};

// Lanes beyond the last class hold -inf, and are taken for it.
__global__ void __launch_bounds__(kThreads) find_lane_tops(UnitPass pass) {
  const int64_t at = thread_index();
  if (at >= pass.count * kClassLanes) return;
  const int64_t K = pass.rows.scores.classes;
  const int64_t row = pass.rows.row(pass.begin + at / kClassLanes);
  double top = -HUGE_VAL;
  int32_t index = kNoIndex;
  for (int64_t k = at % kClassLanes; k < (K + 7) / 8 * 8; k += kClassLanes) {
    const double x = k < K ? score_at(pass.rows.scores, row, k) : -HUGE_VAL;
    if (x > top || (x == top && index == kNoIndex)) {
      top = x;
      index = static_cast<int32_t>(min(k, K - 1));
    }
  }
  pass.tops[at] = top;
  pass.indices[at] = index;
}

// The largest score of the row, and the terms of a lane relative to it.
__global__ void __launch_bounds__(kThreads) sum_lanes(UnitPass pass) {
  const int64_t at = thread_index();
  if (at >= pass.count * kClassLanes) return;
  const int64_t K = pass.rows.scores.classes;
  const int64_t first = at / kClassLanes * kClassLanes;
  const int64_t item = pass.begin + at / kClassLanes;
  double top = -HUGE_VAL;
  for (int64_t l = 0; l < kClassLanes; ++l) top = pass.tops[first + l] > top ? pass.tops[first + l] : top;
  double sum = 0.0;
  for (int64_t k = at % kClassLanes; k < K && !pass.rows.from_probs; k += kClassLanes) {
    sum = sum + term_of(pass.rows, item, k, top);
  }
  pass.sums[at] = sum;
  if (at != first) return;
  int32_t index = kNoIndex;
  for (int64_t l = 0; l < kClassLanes; ++l) {
    if (pass.tops[first + l] == top) index = min(index, pass.indices[first + l]);
  }
  pass.units[item] = {top, 1.0, 1.0, index == kNoIndex ? 0 : index};
}

// Adds the lanes of a row in order. With factors, adds up the probabilities times their factors.
__global__ void __launch_bounds__(kThreads) finish_units(UnitPass pass) {
  const int64_t i = thread_index();
  if (i >= pass.count) return;
  ClassUnit unit = pass.units[pass.begin + i];
  if (!pass.rows.from_probs) {
    unit.sum = 0.0;
    for (int64_t l = 0; l < kClassLanes; ++l) unit.sum += pass.sums[i * kClassLanes + l];
  }
  if (pass.rows.factors != nullptr) {
    unit.scaled = 0.0;
    for (int64_t k = 0; k < pass.rows.scores.classes; ++k) {
      unit.scaled += entry_of(pass.rows, pass.begin + i, k, unit).p;
    }
  }
  pass.units[pass.begin + i] = unit;
}

}  // namespace

UnitScratch::UnitScratch(int64_t items, ScratchArrays* memory) {
  const int64_t lanes = between(0, items, kUnitItems) * kClassLanes;
  tops = memory->take<double>(lanes);
  sums = memory->take<double>(lanes);
  indices = memory->take<int32_t>(lanes);
}

cudaError_t find_units(const ClassRows& rows, const UnitScratch& scratch, ClassUnit* units,
                       cudaStream_t stream) {
  for (int64_t begin = 0; begin < rows.count; begin += kUnitItems) {
    const int64_t count = between(0, rows.count - begin, kUnitItems);
    const UnitPass pass{rows, begin, count, scratch.tops, scratch.sums, scratch.indices, units};
    cudaError_t error = launch_threads(find_lane_tops, count * kClassLanes, stream, pass);
    if (error != cudaSuccess) return error;
    error = launch_threads(sum_lanes, count * kClassLanes, stream, pass);
    if (error != cudaSuccess) return error;
    error = launch_threads(finish_units, count, stream, pass);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

}  // namespace calibench
