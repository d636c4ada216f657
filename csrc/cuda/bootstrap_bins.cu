// bootstrap_bins on CUDA: sorts the samples by cell, draws positions and adds the samples as
// integers, so the bits are those of the CPU.
#include "bootstrap_bins.h"
#include "device.h"
#include "fault.h"
#include "find_bin.h"
#include "row_plan.h"
#include "scratch.h"
#include "sort.h"

namespace calibench {
namespace {

// Up to this number of bins every thread keeps its own bins in shared memory, 16 bytes each: 64 KiB per
// block. More bins are added up by atomics in the L2 cache.
constexpr int64_t kMaxSharedBins = 32;
constexpr int64_t kSlice = 65536;  // draws per block: 512 per thread
// A confidence in fixed point takes 53 bits. The 11 bits above hold the cell, if it fits.
constexpr int kCellShift = 53;
constexpr int64_t kMaxPackedCells = int64_t{1} << (64 - kCellShift);

// The sums of one bin of one resample.
struct __align__(16) Tally {
  unsigned long long confidence;  // fixed point
  unsigned long long counts;      // low half: draws; high half: correct draws; both at most N < 2^32
};

__device__ __forceinline__ unsigned long long draw_counts(uint32_t cell) {
  return 1ULL | static_cast<unsigned long long>(cell & 1u) << 32;
}

__global__ void __launch_bounds__(kThreads)
    prepare(BootstrapInputs inputs, double unit, CellArrays arrays, int64_t* fault) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= inputs.samples) return;
  double c = inputs.confidence[i * inputs.confidence_stride];
  if (!(c >= 0.0 && c <= kProbabilityCeiling)) {
    report(fault, i, is_finite(c) ? RowStatus::kProbability : RowStatus::kNonFinite);
    c = 0.0;  // the sort and the draws go on; their results are meaningless
  }
  const bool hit = inputs.correct[i * inputs.correct_stride] != 0;
  const uint32_t cell = static_cast<uint32_t>(2 * find_bin(c, static_cast<int>(inputs.bins)) + hit);
  const uint64_t fixed = static_cast<uint64_t>(rint(c * unit));
  arrays.cells[0][i] = cell;
  arrays.values[0][i] =
      2 * inputs.bins <= kMaxPackedCells ? fixed | static_cast<uint64_t>(cell) << kCellShift : fixed;
}

__global__ void __launch_bounds__(kThreads) clear_tallies(Tally* tallies, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < count) tallies[i] = {0, 0};
}

struct Draws {
  const uint32_t* cells;
  const uint64_t* values;
  int64_t samples;
  int64_t slices;  // per resample
  int bins;
  int64_t seed;
  Tally* tallies;  // [B, M]
};

// Adds draws to the bins of the thread in shared memory, or directly to the bins of the resample.
template <bool kInShared>
struct Sink {
  Tally* tallies;

  __device__ __forceinline__ void add(uint32_t cell, uint64_t fixed) const {
    Tally* target = tallies + (cell >> 1) * (kInShared ? kThreads : 1);
    if (kInShared) {
      Tally tally = *target;
      tally.confidence += fixed;
      tally.counts += draw_counts(cell);
      *target = tally;
    } else {
      atomicAdd(&target->confidence, static_cast<unsigned long long>(fixed));
      atomicAdd(&target->counts, draw_counts(cell));
    }
  }
};

template <bool kInShared>
__device__ __forceinline__ void add_draw(const Draws& draws, bool packed, int64_t position,
                                         const Sink<kInShared>& sink) {
  const uint64_t value = draws.values[position];
  if (packed) {
    sink.add(static_cast<uint32_t>(value >> kCellShift), value & ((uint64_t{1} << kCellShift) - 1));
  } else {
    sink.add(draws.cells[position], value);
  }
}

template <bool kInShared>
__global__ void __launch_bounds__(kThreads) draw(Draws draws) {
  const int64_t resample = blockIdx.x / draws.slices;
  const int64_t begin = blockIdx.x % draws.slices * kSlice;
  const int64_t end = min(begin + kSlice, draws.samples);
  const bool packed = 2 * draws.bins <= kMaxPackedCells;
  Tally* result = draws.tallies + resample * draws.bins;
  Tally* thread_bins = reinterpret_cast<Tally*>(dynamic_shared());
  if (kInShared) {
    for (int bin = 0; bin < draws.bins; ++bin) thread_bins[bin * kThreads + threadIdx.x] = Tally{0, 0};
  }
  const Sink<kInShared> sink{kInShared ? thread_bins + threadIdx.x : result};
  const PhiloxKey key = philox_key(draws.seed);
  const bool narrow = draws.samples <= kNarrowDraws;
  const int step = narrow ? 4 : 2;  // draws per block of random words
  for (int64_t i = begin + threadIdx.x * step; i < end; i += kThreads * step) {
    const PhiloxBlock block =
        philox_draws(static_cast<uint64_t>(i / step), static_cast<uint64_t>(resample), key);
    int64_t positions[4];
#pragma unroll
    for (int d = 0; d < 4; ++d) positions[d] = narrow ? narrow_position(block.word[d], draws.samples) : 0;
    if (!narrow) {
      positions[0] = wide_position(block.word[0], block.word[1], draws.samples);
      positions[1] = wide_position(block.word[2], block.word[3], draws.samples);
    }
#pragma unroll
    for (int d = 0; d < 4; ++d) {
      if (d < step && i + d < end) add_draw(draws, packed, positions[d], sink);
    }
  }
  if (!kInShared) return;
  __syncthreads();
  // One thread per bin. Each starts at another column, so there are no bank conflicts.
  // Sums of integers are the same in any order.
  for (int bin = threadIdx.x; bin < draws.bins; bin += kThreads) {
    Tally total{0, 0};
    for (int column = 0; column < kThreads; ++column) {
      const Tally part = thread_bins[bin * kThreads + (column + bin) % kThreads];
      total.confidence += part.confidence;
      total.counts += part.counts;
    }
    atomicAdd(&result[bin].confidence, total.confidence);
    atomicAdd(&result[bin].counts, total.counts);
  }
}

__global__ void __launch_bounds__(kThreads)
    read_tallies(const Tally* tallies, int64_t count, int64_t bins, double unit, double* sums) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const Tally tally = tallies[i];
  double* out = sums + i / bins * 3 * bins + i % bins;
  out[0] = static_cast<double>(tally.counts & 0xffffffffu);
  out[bins] = static_cast<double>(static_cast<int64_t>(tally.confidence)) * unit;
  out[2 * bins] = static_cast<double>(tally.counts >> 32);
}

// The arrays in the scratch memory of one call.
struct Layout {
  CellArrays arrays{};
  Tally* tallies;
  void* counts;
  int64_t bytes;

  Layout(const BootstrapInputs& inputs, void* scratch) {
    ScratchArrays memory(scratch);
    for (uint32_t*& cells : arrays.cells) cells = memory.take<uint32_t>(inputs.samples);
    for (uint64_t*& values : arrays.values) values = memory.take<uint64_t>(inputs.samples);
    tallies = memory.take<Tally>(inputs.resamples * inputs.bins);
    counts = memory.take<unsigned char>(sort_bytes(inputs.samples, 2 * inputs.bins));
    bytes = memory.bytes();
  }
};

}  // namespace

int64_t bootstrap_bytes(const BootstrapInputs& inputs) { return Layout(inputs, nullptr).bytes; }

cudaError_t resample(const BootstrapInputs& inputs, void* scratch, double* sums, int64_t* fault,
                     cudaStream_t stream) {
  const Layout layout(inputs, scratch);
  const int bits = fixed_point_bits(inputs.samples);
  cudaError_t error = clear_fault(fault, stream);
  if (error != cudaSuccess) return error;
  error = launch(prepare, divide_up(inputs.samples, kThreads), kThreads, 0, stream, inputs, ldexp(1.0, bits),
                 layout.arrays, fault);
  if (error != cudaSuccess) return error;
  int sorted = 0;
  error = sort_by_cell(layout.arrays, inputs.samples, 2 * inputs.bins, layout.counts, &sorted, stream);
  if (error != cudaSuccess) return error;
  const int64_t count = inputs.resamples * inputs.bins;
  error = launch(clear_tallies, divide_up(count, kThreads), kThreads, 0, stream, layout.tallies, count);
  if (error != cudaSuccess) return error;
  const Draws draws{layout.arrays.cells[sorted],
                    layout.arrays.values[sorted],
                    inputs.samples,
                    divide_up(inputs.samples, kSlice),
                    static_cast<int>(inputs.bins),
                    inputs.seed,
                    layout.tallies};
  const int64_t blocks = inputs.resamples * draws.slices;
  error = inputs.bins <= kMaxSharedBins
              ? launch(draw<true>, blocks, kThreads, inputs.bins * kThreads * sizeof(Tally), stream, draws)
              : launch(draw<false>, blocks, kThreads, 0, stream, draws);
  if (error != cudaSuccess) return error;
  return launch(read_tallies, divide_up(count, kThreads), kThreads, 0, stream, layout.tallies, count,
                inputs.bins, ldexp(1.0, -bits), sums);
}

}  // namespace calibench
