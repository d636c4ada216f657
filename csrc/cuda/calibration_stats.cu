// calibration_stats on CUDA: rows into the sums of blocks, and those into a batch. Deterministic; no torch
// headers.
#include "calibration_stats.h"
#include "calibration_worker.h"
#include "rows.h"
#include "sort.h"

namespace calibench {
namespace {

// A block a row of the state: rows `first_row` onwards of `batch` from what each of `blocks` blocks left.
__global__ void __launch_bounds__(kThreads) add_blocks(const double* sums, int64_t blocks, int64_t first_row,
                                                       int64_t bins, int64_t rows, double* batch) {
  const double* own = sums + blockIdx.x * kStateColumns * blocks;
  const int64_t row = first_row + blockIdx.x;
  const double first = row == bins ? static_cast<double>(rows) : grid_total(own, blocks);
  const double second = row >= bins ? 0.0 : grid_total(own + blocks, blocks);
  const Sum sum = grid_total(own + 2 * blocks, own + 3 * blocks, blocks);
  if (threadIdx.x != 0) return;
  double* out = batch + row * kStateColumns;
  out[0] = first;
  out[1] = second;
  out[2] = sum.sum;
  out[3] = sum.carry;
}

__device__ __forceinline__ int64_t first_at_least(const uint32_t* cells, int64_t samples, uint32_t cell) {
  int64_t low = 0;
  int64_t high = samples;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (cells[middle] < cell) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// A warp a bin, of samples sorted by bin * 2 + correct.
__global__ void __launch_bounds__(kThreads) sum_sorted(const uint32_t* cells, const double* confidence,
                                                       int64_t samples, int64_t bins, double* batch) {
  const int64_t bin = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  if (bin >= bins) return;  // the whole warp
  const uint32_t cell = static_cast<uint32_t>(2 * bin);
  const int64_t begin = first_at_least(cells, samples, cell);
  const int64_t right = first_at_least(cells, samples, cell + 1);
  const int64_t end = first_at_least(cells, samples, cell + 2);
  Sum mine;
  for (int64_t i = begin + threadIdx.x % kWarp; i < end; i += kWarp) mine.add(confidence[i]);
  __syncwarp();
  mine = warp_total(mine);
  if (threadIdx.x % kWarp != 0) return;
  double* out = batch + bin * kStateColumns;
  out[0] = static_cast<double>(end - begin);
  out[1] = static_cast<double>(end - right);
  out[2] = mine.sum;
  out[3] = mine.carry;
}

__global__ void read_out(const double* batch, int64_t bins, double* bin_sums, double* totals) {
  const int64_t k = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (k < bins) {
    const double* bin = batch + k * kStateColumns;
    bin_sums[k] = bin[0];
    bin_sums[bins + k] = bin[2] + bin[3];
    bin_sums[2 * bins + k] = bin[1];
  } else if (k == bins) {
    const double* end = batch + bins * kStateColumns;
    totals[0] = end[2] + end[3];
    totals[1] = end[kStateColumns + 2] + end[kStateColumns + 3];
    totals[2] = end[kStateColumns];
    totals[3] = end[0];
  }
}

// Where things lie in the scratch memory of one call.
struct Layout {
  RowPlan plan;
  bool columns;
  CellArrays arrays{};
  double* sums = nullptr;
  void* counts = nullptr;
  int64_t bytes = 0;

  Layout(const CalibrationArgs& args, void* scratch)
      : plan(plan_rows(args.rows, args.classes)), columns(args.bins <= kMostColumns) {
    unsigned char* base = static_cast<unsigned char*>(scratch);
    const auto take = [&](int64_t size) {
      unsigned char* at = base == nullptr ? nullptr : base + bytes;
      bytes += divide_up(size, 16) * 16;
      return at;
    };
    sums = reinterpret_cast<double*>(take(((columns ? args.bins : 0) + 2) * kStateColumns * plan.blocks * 8));
    if (columns) return;
    for (int i = 0; i < 2; ++i) arrays.cells[i] = reinterpret_cast<uint32_t*>(take(args.rows * 4));
    for (int i = 0; i < 2; ++i) arrays.values[i] = reinterpret_cast<uint64_t*>(take(args.rows * 8));
    counts = take(sort_bytes(args.rows, 2 * args.bins));
  }
};

template <bool kFromProbs>
cudaError_t scan(const CalibrationArgs& args, const Layout& layout, double* samples, int64_t* fault,
                 cudaStream_t stream) {
  double* confidence = reinterpret_cast<double*>(layout.arrays.values[0]);
  const CalibrationOp<kFromProbs> op{args.labels,
                                     args.rows,
                                     static_cast<int>(args.bins),
                                     layout.columns ? layout.plan.owners : 0,
                                     {layout.sums, layout.arrays.cells[0], confidence, samples, fault}};
  return for_type(args.view(),
                  [&](const auto& matrix) { return scan_rows(matrix, layout.plan, op, stream); });
}

}  // namespace

int64_t batch_bytes(const CalibrationArgs& args) { return Layout(args, nullptr).bytes; }

cudaError_t sum_batch(const CalibrationArgs& args, void* scratch, double* batch, double* samples,
                      int64_t* fault, cudaStream_t stream) {
  const Layout layout(args, scratch);
  cudaError_t error = clear_fault(fault, stream);
  if (error != cudaSuccess) return error;
  error = args.from_probs ? scan<true>(args, layout, samples, fault, stream)
                          : scan<false>(args, layout, samples, fault, stream);
  if (error != cudaSuccess) return error;
  const int64_t first_row = layout.columns ? 0 : args.bins;
  error = launch(add_blocks, args.bins + 2 - first_row, kThreads, 0, stream, layout.sums, layout.plan.blocks,
                 first_row, args.bins, args.rows, batch);
  if (error != cudaSuccess) return error;
  if (!layout.columns) {
    int at = 0;
    error = sort_by_cell(layout.arrays, args.rows, 2 * args.bins, layout.counts, &at, stream);
    if (error != cudaSuccess) return error;
    error = launch(sum_sorted, divide_up(args.bins, kWarps), kThreads, 0, stream, layout.arrays.cells[at],
                   reinterpret_cast<const double*>(layout.arrays.values[at]), args.rows, args.bins, batch);
    if (error != cudaSuccess) return error;
  }
  return label_fault(args.labels, fault, stream);
}

cudaError_t read_batch(const double* batch, int64_t bins, double* bin_sums, double* totals,
                       cudaStream_t stream) {
  return launch(read_out, divide_up(bins + 1, kThreads), kThreads, 0, stream, batch, bins, bin_sums, totals);
}

}  // namespace calibench
