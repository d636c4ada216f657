// calibration_stats on CUDA: adds rows to the sums of blocks, and those
// to the sums of the batch, in a fixed order.
#include "calibration_stats.h"
#include "calibration_worker.h"
#include "scan_rows.h"
#include "scratch.h"
#include "sort.h"

namespace calibench {
namespace {

// Adds up the sums of `blocks` blocks into rows `first_row` and later of `batch`, with one block per row.
__global__ void __launch_bounds__(kThreads) add_blocks(const double* sums, int64_t blocks, int64_t first_row,
                                                       int64_t bins, int64_t rows, double* batch) {
  const double* row_sums = sums + blockIdx.x * kStateColumns * blocks;
  const int64_t row = first_row + blockIdx.x;
  const double first = row == bins ? static_cast<double>(rows) : grid_total(row_sums, blocks);
  const double second = row >= bins ? 0.0 : grid_total(row_sums + blocks, blocks);
  const Sum sum = grid_total(row_sums + 2 * blocks, row_sums + 3 * blocks, blocks);
  if (threadIdx.x != 0) return;
  double* out = batch + row * kStateColumns;
  out[0] = first;
  out[1] = second;
  out[2] = sum.sum;
  out[3] = sum.carry;
}

// Sums each bin with one warp. The samples are sorted by bin * 2 + correct.
__global__ void __launch_bounds__(kThreads) sum_sorted(const uint32_t* cells, const double* confidence,
                                                       int64_t samples, int64_t bins, double* batch) {
  const int64_t bin = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  if (bin >= bins) return;  // the whole warp
  const uint32_t cell = static_cast<uint32_t>(2 * bin);
  const int64_t begin = count_below(cells, samples, cell);
  const int64_t right = count_below(cells, samples, cell + 1);
  const int64_t end = count_below(cells, samples, cell + 2);
  Sum lane_sum;
  for (int64_t i = begin + threadIdx.x % kWarp; i < end; i += kWarp) lane_sum.add(confidence[i]);
  __syncwarp();
  lane_sum = warp_total(lane_sum);
  if (threadIdx.x % kWarp != 0) return;
  double* out = batch + bin * kStateColumns;
  out[0] = static_cast<double>(end - begin);
  out[1] = static_cast<double>(end - right);
  out[2] = lane_sum.sum;
  out[3] = lane_sum.carry;
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

// The arrays in the scratch memory of one call.
struct Layout {
  RowPlan plan;
  bool in_shared;  // bins are in shared memory; else the samples are sorted by cell
  double* sums;
  CellArrays arrays{};
  void* counts = nullptr;
  int64_t bytes;

  Layout(const CalibrationArgs& args, void* scratch)
      : plan(plan_rows(args.rows, args.classes)), in_shared(args.bins <= kMaxSharedBins) {
    ScratchArrays memory(scratch);
    sums = memory.take<double>(((in_shared ? args.bins : 0) + 2) * kStateColumns * plan.blocks);
    if (!in_shared) {
      for (uint32_t*& cells : arrays.cells) cells = memory.take<uint32_t>(args.rows);
      for (uint64_t*& values : arrays.values) values = memory.take<uint64_t>(args.rows);
      counts = memory.take<unsigned char>(sort_bytes(args.rows, 2 * args.bins));
    }
    bytes = memory.bytes();
  }
};

template <bool kFromProbs>
cudaError_t scan(const CalibrationArgs& args, const Layout& layout, double* samples, int64_t* fault,
                 cudaStream_t stream) {
  double* confidence = reinterpret_cast<double*>(layout.arrays.values[0]);
  const CalibrationOp<kFromProbs> op{args.labels,
                                     args.rows,
                                     static_cast<int>(args.bins),
                                     layout.in_shared ? layout.plan.owners : 0,
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
  const int64_t first_row = layout.in_shared ? 0 : args.bins;
  error = launch(add_blocks, args.bins + 2 - first_row, kThreads, 0, stream, layout.sums, layout.plan.blocks,
                 first_row, args.bins, args.rows, batch);
  if (error != cudaSuccess) return error;
  if (!layout.in_shared) {
    int sorted = 0;
    error = sort_by_cell(layout.arrays, args.rows, 2 * args.bins, layout.counts, &sorted, stream);
    if (error != cudaSuccess) return error;
    error =
        launch(sum_sorted, divide_up(args.bins, kWarps), kThreads, 0, stream, layout.arrays.cells[sorted],
               reinterpret_cast<const double*>(layout.arrays.values[sorted]), args.rows, args.bins, batch);
    if (error != cudaSuccess) return error;
  }
  return label_fault(args.labels, fault, stream);
}

cudaError_t read_batch(const double* batch, int64_t bins, double* bin_sums, double* totals,
                       cudaStream_t stream) {
  return launch(read_out, divide_up(bins + 1, kThreads), kThreads, 0, stream, batch, bins, bin_sums, totals);
}

}  // namespace calibench
