// resample_class_gaps on CUDA: the gaps of some rows as whole numbers, and then their products with the
// counts. Sums are whole numbers, so that threads add theirs in any order.
#include "class_entry.h"
#include "class_gaps.h"
#include "threads.h"

namespace calibench {
namespace {

constexpr int64_t kNarrow = 32;                    // classes up to which the CPU divides once for a row
constexpr int64_t kGapNumbers = int64_t{1} << 24;  // of the gaps in memory
constexpr int64_t kTileRows = 256;                 // of a thread
constexpr int kTogether = 8;                       // classes of a thread

struct GapScratch {
  int64_t rows;  // whose gaps are in memory
  UnitScratch lanes;
  ClassUnit* units;
  long long* sums;  // [K, P]
  int32_t* gaps;    // [rows, K] in units of 2^-29
  int64_t bytes;

  GapScratch(const ClassGapArgs& args, void* scratch) : GapScratch(args, ScratchArrays(scratch)) {}

 private:
  GapScratch(const ClassGapArgs& args, ScratchArrays memory) : lanes(args.rows.count, &memory) {
    const int64_t K = args.rows.scores.classes;
    rows = between(1, args.rows.count, between(1, kGapNumbers / K, kUnitItems));
    units = memory.take<ClassUnit>(args.rows.count);
    sums = memory.take<long long>(K * args.lanes);
    gaps = memory.take<int32_t>(rows * K);
    bytes = memory.bytes();
  }
};

// For few classes the CPU adds up the terms of a row in the order of classes, not in eight lanes.
__global__ void __launch_bounds__(kThreads) sum_in_order(ClassRows rows, ClassUnit* units) {
  const int64_t item = thread_index();
  if (item >= rows.count) return;
  double sum = 0.0;
  for (int64_t k = 0; k < rows.scores.classes; ++k) sum = sum + term_of(rows, item, k, units[item].top);
  units[item].sum = sum;
}

__global__ void __launch_bounds__(kThreads)
    fill_gaps(ClassGapArgs args, GapScratch scratch, int64_t begin, int64_t count) {
  const int64_t K = args.rows.scores.classes;
  const int64_t item = begin + thread_index() / K;
  const int64_t k = thread_index() % K;
  if (item >= begin + count) return;
  const ClassUnit unit = scratch.units[item];
  const double term = term_of(args.rows, item, k, unit.top);
  const double p = K <= kNarrow ? term * (1.0 / unit.sum) : term / unit.sum;
  int32_t gap = static_cast<int32_t>(p * static_cast<double>(1 << kClassBits) + 0.5);
  if (args.labels.at(args.rows.row(item)) == k) {
    gap = static_cast<int32_t>(static_cast<uint32_t>(gap) - (1u << kClassBits));  // NaN must not overflow
  }
  scratch.gaps[thread_index()] = gap;
}

// Adds a few classes of a tile of rows in one lane.
__global__ void __launch_bounds__(kThreads)
    multiply(ClassGapArgs args, GapScratch scratch, int64_t begin, int64_t count) {
  const int64_t K = args.rows.scores.classes;
  const int64_t groups = (K + kTogether - 1) / kTogether;
  const int64_t lane = thread_index() % args.lanes;
  const int64_t k = thread_index() / args.lanes % groups * kTogether;
  const int64_t from = thread_index() / args.lanes / groups * kTileRows;
  if (from >= count) return;
  long long sums[kTogether] = {};
  for (int64_t i = from; i < min(from + kTileRows, count); ++i) {
    const int32_t weight = args.of(begin + i)[lane];
    const int32_t* gaps = scratch.gaps + i * K + k;
#pragma unroll
    for (int c = 0; c < kTogether; ++c) {
      if (k + c < K) sums[c] += static_cast<long long>(weight) * gaps[c];
    }
  }
#pragma unroll
  for (int c = 0; c < kTogether; ++c) {
    if (k + c < K) {
      atomicAdd(reinterpret_cast<unsigned long long*>(scratch.sums + (k + c) * args.lanes + lane),
                static_cast<unsigned long long>(sums[c]));
    }
  }
}

__global__ void __launch_bounds__(kThreads) write_gaps(const long long* sums, int64_t size, double* gaps) {
  const int64_t i = thread_index();
  if (i < size) gaps[i] = static_cast<double>(sums[i]) * (1.0 / (1 << kClassBits));
}

}  // namespace

int64_t class_gap_bytes(const ClassGapArgs& args) { return GapScratch(args, nullptr).bytes; }

cudaError_t sum_class_gaps(const ClassGapArgs& args, void* memory, double* gaps, cudaStream_t stream) {
  const GapScratch scratch(args, memory);
  const int64_t K = args.rows.scores.classes, size = K * args.lanes;
  if (size == 0) return cudaSuccess;
  cudaError_t error =
      cudaMemsetAsync(scratch.sums, 0, static_cast<size_t>(size) * sizeof(*scratch.sums), stream);
  if (error != cudaSuccess) return error;
  error = find_units(args.rows, scratch.lanes, scratch.units, stream);
  if (error != cudaSuccess) return error;
  if (K <= kNarrow && !args.rows.from_probs) {
    error = launch_threads(sum_in_order, args.rows.count, stream, args.rows, scratch.units);
    if (error != cudaSuccess) return error;
  }
  const int64_t groups = divide_up(K, kTogether) * args.lanes;
  for (int64_t begin = 0; begin < args.rows.count; begin += scratch.rows) {
    const int64_t count = between(0, args.rows.count - begin, scratch.rows);
    error = launch_threads(fill_gaps, count * K, stream, args, scratch, begin, count);
    if (error != cudaSuccess) return error;
    error =
        launch_threads(multiply, divide_up(count, kTileRows) * groups, stream, args, scratch, begin, count);
    if (error != cudaSuccess) return error;
  }
  return launch_threads(write_gaps, size, stream, static_cast<const long long*>(scratch.sums), size, gaps);
}

}  // namespace calibench
