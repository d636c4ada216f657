// resample_group_sums on CUDA: a thread adds up one group of one resample. It finds the group's first item by
// the draws before each chunk of items, which are exact; so the bits are those of the CPU.
#include <cmath>

#include "resample.h"
#include "scratch.h"
#include "weighted.h"

namespace calibench {
namespace {

struct Draws {
  int64_t chunks;
  double* values;  // [L] the sums of the columns
  double* until;   // [chunks, P] draws of the items up to the end of each chunk of kTile

  Draws(const GroupSumArgs& args, ScratchArrays* memory) : chunks(divide_up(args.items, kTile)) {
    values = memory->take<double>(args.items);
    until = memory->take<double>(chunks * args.weights.lanes);
  }
};

__global__ void __launch_bounds__(kThreads)
    add_column(Column column, bool first, int64_t items, double* values) {
  const int64_t i = thread_index();
  if (i < items) values[i] = first ? number_at(column, i) : values[i] + number_at(column, i);
}

__global__ void __launch_bounds__(kThreads)
    count_chunks(ResampledCounts weights, int64_t items, int64_t chunks, double* drawn) {
  const LaneTask task = lane_task(weights.lanes);
  if (task.task >= chunks) return;
  double sum = 0.0;
  for (int64_t i = task.task * kTile; i < min((task.task + 1) * kTile, items); ++i) {
    sum += static_cast<double>(weights.of(i)[task.lane]);
  }
  drawn[task.task * weights.lanes + task.lane] = sum;
}

__global__ void __launch_bounds__(kThreads) count_until(int64_t chunks, int64_t lanes, double* drawn) {
  const int64_t lane = thread_index();
  if (lane >= lanes) return;
  double sum = 0.0;
  for (int64_t at = lane; at < chunks * lanes; at += lanes) {
    sum += drawn[at];
    drawn[at] = sum;
  }
}

// The first chunk with more than `most` draws up to its end; `chunks` if there is none.
__device__ __forceinline__ int64_t chunk_above(const Draws& draws, int64_t lanes, int64_t lane, double most) {
  int64_t low = 0;
  int64_t high = draws.chunks;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (draws.until[middle * lanes + lane] > most) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

__global__ void __launch_bounds__(kThreads) sum_group(GroupSumArgs args, Draws draws) {
  const int64_t lanes = args.weights.lanes;
  const LaneTask task = lane_task(lanes);
  if (task.task >= args.groups) return;
  const double* ends = args.ends + task.lane;
  double* out = args.sums + task.task * lanes + task.lane;
  const bool last = task.task + 1 == args.groups;
  const double end = ends[task.task * lanes];
  int64_t i = 0;
  double drawn = 0.0;
  double sum = 0.0;
  if (task.task > 0) {
    // The group begins with the first item whose draws pass the ends of all groups before it. NaN is not
    // passed.
    double most = -HUGE_VAL;
    for (int64_t g = 0; g < task.task; ++g) {
      const double before = ends[g * lanes];
      most = fmax(most, before == before ? before : HUGE_VAL);
    }
    const int64_t chunk = chunk_above(draws, lanes, task.lane, most);
    *out = 0.0;
    if (chunk == draws.chunks) return;
    i = chunk * kTile;
    if (chunk > 0) drawn = draws.until[(chunk - 1) * lanes + task.lane];
    for (; i < args.items; ++i) {
      drawn = drawn + static_cast<double>(args.weights.of(i)[task.lane]);
      if (drawn > most) break;
    }
    sum = (drawn - ends[(task.task - 1) * lanes]) * draws.values[i];
    if (drawn > end && !last) {
      *out = sum - (drawn - end) * draws.values[i];
      return;
    }
    ++i;
  }
  for (; i < args.items; ++i) {
    const double weight = static_cast<double>(args.weights.of(i)[task.lane]);
    drawn = drawn + weight;
    sum = sum + weight * draws.values[i];
    if (drawn > end && !last) {
      sum = sum - (drawn - end) * draws.values[i];
      break;
    }
  }
  *out = sum;
}

}  // namespace

int64_t group_bytes(const GroupSumArgs& args) {
  ScratchArrays memory(nullptr);
  const Draws draws(args, &memory);
  return memory.bytes();
}

cudaError_t sum_groups(const GroupSumArgs& args, void* scratch, cudaStream_t stream) {
  ScratchArrays memory(scratch);
  const Draws draws(args, &memory);
  const int64_t lanes = args.weights.lanes;
  cudaError_t error = cudaSuccess;
  for (int64_t c = 0; c < args.num_columns && error == cudaSuccess; ++c) {
    error = launch_threads(add_column, args.items, stream, args.columns[c], c == 0, args.items, draws.values);
  }
  if (error != cudaSuccess) return error;
  error = launch_threads(count_chunks, draws.chunks * lanes, stream, args.weights, args.items, draws.chunks,
                         draws.until);
  if (error != cudaSuccess) return error;
  error = launch_threads(count_until, lanes, stream, draws.chunks, lanes, draws.until);
  if (error != cudaSuccess) return error;
  return launch_threads(sum_group, args.groups * lanes, stream, args, draws);
}

}  // namespace calibench
