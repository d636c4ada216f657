// The three kernels of a pass: digits of each chunk of samples counted, counts into first places, samples to
// their places.
#include "device.h"
#include "row_plan.h"
#include "sort.h"

namespace calibench {
namespace {

constexpr int kDigitBits = 8;
constexpr int kMaxDigits = 1 << kDigitBits;
constexpr int kChunk =
    1024;  // samples that a warp takes, 32 at a time and in order: what makes the sort stable
constexpr int kScanThreads = 1024;

struct Pass {
  int64_t samples;
  int64_t chunks;
  int shift;
  int digits;        // a power of two, at most kMostDigits
  uint32_t* counts;  // [digits, chunks]

  __device__ int digit(uint32_t cell) const { return cell >> shift & (digits - 1); }
};

__device__ __forceinline__ uint32_t* own_digits(uint32_t (&all)[kWarps][kMaxDigits], int digits) {
  uint32_t* own = all[threadIdx.x / kWarp];
  for (int d = threadIdx.x % kWarp; d < digits; d += kWarp) own[d] = 0;
  __syncwarp();
  return own;
}

__global__ void __launch_bounds__(kThreads) count_digits(Pass pass, const uint32_t* cells) {
  __shared__ uint32_t all[kWarps][kMaxDigits];
  const int lane = threadIdx.x % kWarp;
  const int64_t chunk = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  if (chunk >= pass.chunks) return;  // the whole warp
  uint32_t* own = own_digits(all, pass.digits);
  const int64_t end = min((chunk + 1) * kChunk, pass.samples);
  for (int64_t i = chunk * kChunk + lane; i < end; i += kWarp) atomicAdd(own + pass.digit(cells[i]), 1u);
  __syncwarp();
  for (int d = lane; d < pass.digits; d += kWarp) pass.counts[d * pass.chunks + chunk] = own[d];
}

// counts[i] becomes the sum of all before it: one block, 1024 counts at a time, so that reads stay together.
__global__ void __launch_bounds__(kScanThreads) first_places(uint32_t* counts, int64_t total) {
  __shared__ uint32_t warp_sums[kScanThreads / kWarp];
  const int lane = threadIdx.x % kWarp;
  const int warp = threadIdx.x / kWarp;
  uint32_t before = 0;
  for (int64_t start = 0; start < total; start += kScanThreads) {
    const int64_t i = start + threadIdx.x;
    const uint32_t own = i < total ? counts[i] : 0;
    uint32_t up_to = own;
    for (int step = 1; step < kWarp; step *= 2) {
      const uint32_t other = __shfl_up_sync(kAllLanes, up_to, step);
      if (lane >= step) up_to += other;
    }
    if (lane == kWarp - 1) warp_sums[warp] = up_to;
    __syncthreads();
    uint32_t warps = warp_sums[lane];
    for (int step = 1; step < kWarp; step *= 2) {
      const uint32_t other = __shfl_up_sync(kAllLanes, warps, step);
      if (lane >= step) warps += other;
    }
    const uint32_t earlier = __shfl_sync(kAllLanes, warps, warp) - warp_sums[warp];
    if (i < total) counts[i] = before + earlier + up_to - own;
    before += __shfl_sync(kAllLanes, warps, kWarp - 1);
    __syncthreads();  // before of_warp is written again
  }
}

__global__ void __launch_bounds__(kThreads)
    move_samples(Pass pass, const uint32_t* cells, const uint64_t* values, uint32_t* to_cells,
                 uint64_t* to_values) {
  __shared__ uint32_t all[kWarps][kMaxDigits];
  const int lane = threadIdx.x % kWarp;
  const int64_t chunk = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  if (chunk >= pass.chunks) return;
  uint32_t* taken = own_digits(all, pass.digits);
  const int64_t end = min((chunk + 1) * kChunk, pass.samples);
  for (int64_t start = chunk * kChunk; start < end; start += kWarp) {
    const int64_t i = start + lane;
    const bool valid = i < end;
    const uint32_t cell = valid ? cells[i] : 0;
    // A lane without a sample gets a digit of its own, and joins no group.
    const unsigned digit = valid ? pass.digit(cell) : kMaxDigits;
    const unsigned peers = __match_any_sync(kAllLanes, digit);
    const unsigned earlier = __popc(peers & ((1u << lane) - 1));
    if (valid) {
      const uint32_t at = pass.counts[digit * pass.chunks + chunk] + taken[digit] + earlier;
      to_cells[at] = cell;
      to_values[at] = values[i];
    }
    __syncwarp();
    if (valid && earlier == 0) taken[digit] += __popc(peers);
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
    const int from = *result;
    cudaError_t error = launch(count_digits, blocks, kThreads, 0, stream, pass, arrays.cells[from]);
    if (error != cudaSuccess) return error;
    error = launch(first_places, 1, kScanThreads, 0, stream, pass.counts, pass.chunks * pass.digits);
    if (error != cudaSuccess) return error;
    error = launch(move_samples, blocks, kThreads, 0, stream, pass, arrays.cells[from], arrays.values[from],
                   arrays.cells[1 - from], arrays.values[1 - from]);
    if (error != cudaSuccess) return error;
    *result = 1 - from;
  }
  return cudaSuccess;
}

}  // namespace calibench
