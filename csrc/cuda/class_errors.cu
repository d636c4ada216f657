// resample_class_errors and gap_sizes on CUDA: a thread adds up one class, or a tile of cells, of one
// resample or draw; then these are added in order.
#include "add_rows.h"
#include "resample.h"
#include "weighted.h"

namespace calibench {
namespace {

__global__ void __launch_bounds__(kThreads) sum_class(ClassErrorArgs args, double* of_classes) {
  const int64_t lanes = args.entries.lanes;
  const LaneTask task = lane_task(lanes);
  if (task.task >= args.classes) return;
  double rest = args.totals[task.task * lanes + task.lane];
  double error = 0.0;
  const int64_t first = task.task * args.bins;
  int64_t entry = first == 0 ? 0 : args.cell_ends[first - 1];
  for (int64_t cell = first; cell < first + args.bins; ++cell) {
    const int64_t end = args.cell_ends[cell];
    if (end == entry) continue;
    double gap = 0.0;
    for (; entry < end; ++entry) {
      const double value = static_cast<double>(args.gaps[entry]) * (1.0 / (1 << kFixedBits));
      gap = gap + static_cast<double>(args.entries.of(entry)[task.lane]) * value;
    }
    rest = rest - gap;
    error = error + fabs(gap);
  }
  of_classes[task.task * lanes + task.lane] = error + fabs(rest);
}

__global__ void __launch_bounds__(kThreads)
    sum_cells(const int32_t* labels, int64_t cells, int64_t lanes, const double* offset, const double* factor,
              double* of_tiles) {
  const LaneTask task = lane_task(lanes);
  if (task.task * kTile >= cells) return;
  double size = 0.0;
  for (int64_t c = task.task * kTile; c < min((task.task + 1) * kTile, cells); ++c) {
    size = size + fabs(offset[c] - factor[c] * static_cast<double>(labels[c * lanes + task.lane]));
  }
  of_tiles[task.task * lanes + task.lane] = size;
}

}  // namespace

int64_t class_error_bytes(const ClassErrorArgs& args) {
  return args.classes * args.entries.lanes * static_cast<int64_t>(sizeof(double));
}

cudaError_t sum_class_errors(const ClassErrorArgs& args, void* scratch, cudaStream_t stream) {
  double* of_classes = static_cast<double*>(scratch);
  const int64_t lanes = args.entries.lanes;
  const cudaError_t error = launch_threads(sum_class, args.classes * lanes, stream, args, of_classes);
  if (error != cudaSuccess) return error;
  return launch_threads(add_rows, lanes, stream, of_classes, args.classes, lanes, args.errors);
}

int64_t gap_size_bytes(int64_t cells, int64_t lanes) {
  return divide_up(cells, kTile) * lanes * static_cast<int64_t>(sizeof(double));
}

cudaError_t sum_gap_sizes(const int32_t* labels, int64_t cells, int64_t lanes, const double* offset,
                          const double* factor, void* scratch, double* sizes, cudaStream_t stream) {
  double* of_tiles = static_cast<double*>(scratch);
  const int64_t tiles = divide_up(cells, kTile);
  const cudaError_t error =
      launch_threads(sum_cells, tiles * lanes, stream, labels, cells, lanes, offset, factor, of_tiles);
  if (error != cudaSuccess) return error;
  return launch_threads(add_rows, lanes, stream, of_tiles, tiles, lanes, sizes);
}

}  // namespace calibench
