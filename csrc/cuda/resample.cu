// resample_counts and resample_sums on CUDA: the bits are those of the CPU, for a tile of 256 items is added
// up by one thread in order, and the tiles of a range in order by another.
#include "resample.h"
#include "weighted.h"

namespace calibench {
namespace {

constexpr int kTogether = 4;  // columns that a thread adds up

// One block of random words of one resample: four draws, or two of more than 2^20 samples. A 32-bit word
// holds the counts of four resamples. They stay below 256, so none is carried into the next byte.
__global__ void __launch_bounds__(kThreads)
    draw(int64_t samples, int64_t first, int64_t resamples, PhiloxKey key, int64_t lanes, uint32_t* words) {
  const LaneTask task = lane_task(resamples);
  const bool narrow = samples <= kNarrowDraws;
  const int64_t step = narrow ? 4 : 2;
  if (task.task * step >= samples) return;
  const PhiloxBlock block =
      philox_draws(static_cast<uint64_t>(task.task), static_cast<uint64_t>(first + task.lane), key);
  int64_t positions[4] = {};
#pragma unroll
  for (int d = 0; d < 4; ++d) positions[d] = narrow ? narrow_position(block.word[d], samples) : 0;
  if (!narrow) {
    positions[0] = wide_position(block.word[0], block.word[1], samples);
    positions[1] = wide_position(block.word[2], block.word[3], samples);
  }
#pragma unroll
  for (int d = 0; d < 4; ++d) {
    if (d >= step || task.task * step + d >= samples) continue;
    const int64_t byte = positions[d] * lanes + task.lane;
    atomicAdd(words + byte / 4, 1u << (8 * (byte % 4)));
  }
}

// A few columns of the result [S, width, P], from row `first` on; one without numbers adds up the weights.
struct Part {
  Column columns[kTogether];
  int count;
  int64_t first;
  int64_t width;  // C + 1
};

// Tiles of all ranges. Range s has those from number ends[s - 1] / 256 + s on, of which the last ones may be
// empty. The first tile of a range is written to `sums`, the others are rows of `more`.
struct Tiles {
  const int64_t* ends;
  int64_t ranges;
  double* sums;  // [S, width, P]
  double* more;  // [items / 256, width, P]

  __device__ int64_t begin(int64_t s) const { return s == 0 ? 0 : ends[s - 1]; }

  // The range of a tile: the last one that does not begin after it.
  __device__ int64_t range_of(int64_t tile) const {
    int64_t low = 0;
    int64_t high = ranges - 1;
    while (low < high) {
      const int64_t middle = (low + high + 1) / 2;
      if (begin(middle) / kTile + middle <= tile) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }
};

__global__ void __launch_bounds__(kThreads)
    sum_tiles(ResampledCounts weights, Part part, Tiles tiles, int64_t num_tiles) {
  const LaneTask task = lane_task(weights.lanes);
  if (task.task >= num_tiles) return;
  const int64_t s = tiles.range_of(task.task);
  const int64_t end = tiles.ends[s];
  const int64_t tile = task.task - (tiles.begin(s) / kTile + s);  // of the range
  const int64_t from = tiles.begin(s) + tile * kTile;
  if (tile > 0 && from >= end) return;
  const int64_t to = min(from + kTile, end);
  double total[kTogether] = {};
  for (int64_t i = from; i < to; ++i) {
    const double weight = static_cast<double>(weights.of(i)[task.lane]);
#pragma unroll
    for (int c = 0; c < kTogether; ++c) {
      if (c < part.count) total[c] = total[c] + weight * number_at(part.columns[c], i);
    }
  }
  double* out = tile == 0 ? tiles.sums + s * part.width * weights.lanes
                          : tiles.more + (task.task - s - 1) * part.width * weights.lanes;
#pragma unroll
  for (int c = 0; c < kTogether; ++c) {
    if (c < part.count) out[(part.first + c) * weights.lanes + task.lane] = total[c];
  }
}

__global__ void __launch_bounds__(kThreads) add_tiles(Tiles tiles, int64_t width, int64_t lanes) {
  const LaneTask task = lane_task(lanes);
  const int64_t s = task.task / width;
  if (s >= tiles.ranges) return;
  const int64_t begin = tiles.begin(s);
  const int64_t count = (tiles.ends[s] - begin + kTile - 1) / kTile;
  double* out = tiles.sums + task.task * lanes + task.lane;
  double sum = *out;
  for (int64_t t = 1; t < count; ++t) {
    sum += tiles.more[((begin / kTile + t - 1) * width + task.task % width) * lanes + task.lane];
  }
  *out = sum;
}

}  // namespace

cudaError_t count_resamples(int64_t samples, int64_t first, int64_t resamples, int64_t seed, int64_t lanes,
                            uint8_t* counts, cudaStream_t stream) {
  if (samples * lanes == 0) return cudaSuccess;
  const cudaError_t error = cudaMemsetAsync(counts, 0, static_cast<size_t>(samples * lanes), stream);
  if (error != cudaSuccess) return error;
  const int64_t blocks = divide_up(samples, samples <= kNarrowDraws ? 4 : 2);
  return launch_threads(draw, resamples * blocks, stream, samples, first, resamples, philox_key(seed), lanes,
                        reinterpret_cast<uint32_t*>(counts));
}

int64_t range_bytes(const ResampleSumsArgs& args, int64_t items) {
  return items / kTile * (args.num_columns + 1) * args.weights.lanes * static_cast<int64_t>(sizeof(double));
}

cudaError_t sum_ranges(const ResampleSumsArgs& args, int64_t items, int64_t ranges, void* scratch,
                       cudaStream_t stream) {
  if (ranges == 0) return cudaSuccess;
  const int64_t lanes = args.weights.lanes, width = args.num_columns + 1;
  const int64_t num_tiles = items / kTile + ranges;
  const Tiles tiles{args.ends, ranges, args.sums, static_cast<double*>(scratch)};
  for (int64_t first = 0; first < width; first += kTogether) {
    Part part{{}, static_cast<int>(between(0, width - first, kTogether)), first, width};
    for (int c = 0; c < part.count; ++c) {
      if (first + c > 0) part.columns[c] = args.columns[first + c - 1];
    }
    const cudaError_t error =
        launch_threads(sum_tiles, num_tiles * lanes, stream, args.weights, part, tiles, num_tiles);
    if (error != cudaSuccess) return error;
  }
  return launch_threads(add_tiles, ranges * width * lanes, stream, tiles, width, lanes);
}

}  // namespace calibench
