// A scan in tiles of 256 numbers: sums of tiles, the scan of these sums, and the scan of each tile from its
// sum.
#include "scan.h"
#include "threads.h"

namespace calibench {
namespace {

constexpr int64_t kScanTile = 256;

__global__ void __launch_bounds__(kThreads) sum_tiles(const int64_t* numbers, int64_t count, int64_t* sums) {
  const int64_t begin = thread_index() * kScanTile;
  if (begin >= count) return;
  int64_t sum = 0;
  for (int64_t i = begin; i < min(begin + kScanTile, count); ++i) sum += numbers[i];
  sums[thread_index()] = sum;
}

// `sums` holds where each tile starts; null for a single tile.
__global__ void __launch_bounds__(kThreads) scan_tiles(int64_t* numbers, int64_t count, const int64_t* sums) {
  const int64_t begin = thread_index() * kScanTile;
  if (begin >= count) return;
  int64_t sum = sums == nullptr ? 0 : sums[thread_index()];
  for (int64_t i = begin; i < min(begin + kScanTile, count); ++i) {
    const int64_t number = numbers[i];
    numbers[i] = sum;
    sum += number;
  }
}

}  // namespace

int64_t scan_sums(int64_t count) {
  int64_t total = 0;
  while (count > kScanTile) {
    count = divide_up(count, kScanTile);
    total += count;
  }
  return total;
}

cudaError_t exclusive_scan(int64_t* numbers, int64_t count, int64_t* sums, cudaStream_t stream) {
  const int64_t tiles = divide_up(count, kScanTile);
  const int64_t* starts = nullptr;
  if (tiles > 1) {
    cudaError_t error =
        launch_threads(sum_tiles, tiles, stream, static_cast<const int64_t*>(numbers), count, sums);
    if (error != cudaSuccess) return error;
    error = exclusive_scan(sums, tiles, sums + tiles, stream);
    if (error != cudaSuccess) return error;
    starts = sums;
  }
  return launch_threads(scan_tiles, tiles, stream, numbers, count, starts);
}

}  // namespace calibench
