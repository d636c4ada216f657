// The three kernels of a pass: count the digits of each chunk of samples,
// turn counts into positions, move the samples.
#include "device.h"
#include "row_plan.h"
#include "sort.h"

namespace calibench {
namespace {

constexpr int kDigitBits = 8;
constexpr int kMaxDigits = 1 << kDigitBits;
constexpr int kChunk = 1024;  // samples of a warp, 32 at a time and in order, which makes the sort stable
constexpr int kScanThreads = 1024;

struct Pass {
  int64_t samples;
  int64_t chunks;
  int shift;
  int digits;        // a power of two, at most kMaxDigits
  uint32_t* counts;  // [digits, chunks]

  __device__ int digit(uint32_t cell) const { return cell >> shift & (digits - 1); }
};

// The digit counts of this warp, set to 0.
__device__ __forceinline__ uint32_t* warp_digit_counts(uint32_t (&block_counts)[kWarps][kMaxDigits],
                                                       int digits) {
  uint32_t* count = block_counts[threadIdx.x / kWarp];
  for (int d = threadIdx.x % kWarp; d < digits; d += kWarp) count[d] = 0;
  __syncwarp();
  return count;
}

__global__ void __launch_bounds__(kThreads) count_digits(Pass pass, const uint32_t* cells) {
  __shared__ uint32_t block_counts[kWarps][kMaxDigits];
  const int lane = threadIdx.x % kWarp;
  const int64_t chunk = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  if (chunk >= pass.chunks) return;  // the whole warp
  uint32_t* count = warp_digit_counts(block_counts, pass.digits);
  const int64_t end = min((chunk + 1) * kChunk, pass.samples);
  for (int64_t i = chunk * kChunk + lane; i < end; i += kWarp) atomicAdd(count + pass.digit(cells[i]), 1u);
  __syncwarp();
  for (int d = lane; d < pass.digits; d += kWarp) pass.counts[d * pass.chunks + chunk] = count[d];
}

// Replaces counts[i] by the sum of all earlier counts, with one block and 1024
// counts at a time, so that reads are coalesced.
__global__ void __launch_bounds__(kScanThreads) prefix_sums(uint32_t* counts, int64_t total) {
  __shared__ uint32_t warp_sums[kScanThreads / kWarp];
  const int lane = threadIdx.x % kWarp;
  const int warp = threadIdx.x / kWarp;
  uint32_t offset = 0;
  for (int64_t start = 0; start < total; start += kScanThreads) {
    const int64_t i = start + threadIdx.x;
    const uint32_t count = i < total ? counts[i] : 0;
    uint32_t inclusive = count;
    for (int step = 1; step < kWarp; step *= 2) {
      const uint32_t earlier_sum = __shfl_up_sync(kAllLanes, inclusive, step);
      if (lane >= step) inclusive += earlier_sum;
    }
    if (lane == kWarp - 1) warp_sums[warp] = inclusive;
    __syncthreads();
    uint32_t warps = warp_sums[lane];
    for (int step = 1; step < kWarp; step *= 2) {
      const uint32_t earlier_sum = __shfl_up_sync(kAllLanes, warps, step);
      if (lane >= step) warps += earlier_sum;
    }
    const uint32_t earlier = __shfl_sync(kAllLanes, warps, warp) - warp_sums[warp];
    if (i < total) counts[i] = offset + earlier + inclusive - count;
    offset += __shfl_sync(kAllLanes, warps, kWarp - 1);
    __syncthreads();  // before warp_sums is overwritten
  }
}

__global__ void __launch_bounds__(kThreads)
    move_samples(Pass pass, const uint32_t* cells, const uint64_t* values, uint32_t* to_cells,
                 uint64_t* to_values) {
  __shared__ uint32_t block_counts[kWarps][kMaxDigits];
  const int lane = threadIdx.x % kWarp;
  const int64_t chunk = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  if (chunk >= pass.chunks) return;
  uint32_t* moved = warp_digit_counts(block_counts, pass.digits);
  const int64_t end = min((chunk + 1) * kChunk, pass.samples);
  for (int64_t start = chunk * kChunk; start < end; start += kWarp) {
    const int64_t i = start + lane;
    const bool valid = i < end;
    const uint32_t cell = valid ? cells[i] : 0;
    // Lanes without a sample get a digit that no sample has.
    const unsigned digit = valid ? pass.digit(cell) : kMaxDigits;
    const unsigned peers = __match_any_sync(kAllLanes, digit);
    const unsigned earlier = __popc(peers & ((1u << lane) - 1));
    if (valid) {
      const uint32_t position = pass.counts[digit * pass.chunks + chunk] + moved[digit] + earlier;
      to_cells[position] = cell;
      to_values[position] = values[i];
    }
    __syncwarp();
    if (valid && earlier == 0) moved[digit] += __popc(peers);
    __syncwarp();
  }
}

int bits_of(int64_t num_cells) {
  int bits = 1;
  while ((int64_t{1} << bits) < num_cells) ++bits;
  return bits;
}

int digit_bits(int64_t num_cells) { return static_cast<int>(between(1, bits_of(num_cells), kDigitBits)); }

}  // namespace

int64_t sort_bytes(int64_t samples, int64_t num_cells) {
  return divide_up(samples, kChunk) * (int64_t{1} << digit_bits(num_cells)) *
         static_cast<int64_t>(sizeof(uint32_t));
}

cudaError_t sort_by_cell(const CellArrays& arrays, int64_t samples, int64_t num_cells, void* counts,
                         int* result, cudaStream_t stream) {
  const int step = digit_bits(num_cells);
  Pass pass{samples, divide_up(samples, kChunk), 0, 1 << step, static_cast<uint32_t*>(counts)};
  const int64_t blocks = divide_up(pass.chunks, kWarps);
  *result = 0;
  for (; pass.shift < bits_of(num_cells) && samples > 0; pass.shift += step) {
    const int source = *result;
    cudaError_t error = launch(count_digits, blocks, kThreads, 0, stream, pass, arrays.cells[source]);
    if (error != cudaSuccess) return error;
    error = launch(prefix_sums, 1, kScanThreads, 0, stream, pass.counts, pass.chunks * pass.digits);
    if (error != cudaSuccess) return error;
    error = launch(move_samples, blocks, kThreads, 0, stream, pass, arrays.cells[source],
                   arrays.values[source], arrays.cells[1 - source], arrays.values[1 - source]);
    if (error != cudaSuccess) return error;
    *result = 1 - source;
  }
  return cudaSuccess;
}

}  // namespace calibench
