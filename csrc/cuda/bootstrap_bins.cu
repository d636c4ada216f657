// bootstrap_bins on CUDA: samples sorted by cell, drawn by position, added up as integers: so the bits are
// the CPU's.
#include "bootstrap_bins.h"
#include "device.h"
#include "fault.h"
#include "find_bin.h"
#include "plan.h"
#include "sort.h"

namespace calibench {
namespace {

// Up to here a thread keeps its own bins in shared memory, 16 bytes each: 64 KiB a block. Beyond, the L2 adds
// them up.
constexpr int64_t kMostOwnBins = 32;
constexpr int64_t kSlice = 65536;  // draws of a block: 512 a thread
// A confidence in fixed point takes 53 bits; the 11 above hold the cell, where it fits.
constexpr int kCellShift = 53;
constexpr int64_t kMostPacked = int64_t{1} << (64 - kCellShift);

// Of a resample and bin.
struct __align__(16) Tally {
  unsigned long long confidence;  // fixed point
  unsigned long long counts;      // drawn below, of which correct above: both at most N < 2^32
};

__device__ __forceinline__ unsigned long long one_draw(uint32_t cell) {
  return 1ULL | static_cast<unsigned long long>(cell & 1u) << 32;
}

__global__ void __launch_bounds__(kThreads)
    prepare(BootstrapInputs inputs, double unit, CellArrays arrays, int64_t* fault) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= inputs.samples) return;
  double c = inputs.confidence[i * inputs.confidence_stride];
  if (!(c >= 0.0 && c <= kProbabilityCeiling)) {
    report(fault, i, is_finite(c) ? RowStatus::kProbability : RowStatus::kNonFinite);
    c = 0.0;  // the sort and the draws go on, and mean nothing
  }
  const bool hit = inputs.correct[i * inputs.correct_stride] != 0;
  const uint32_t cell = static_cast<uint32_t>(2 * find_bin(c, static_cast<int>(inputs.bins)) + hit);
  const uint64_t fixed = static_cast<uint64_t>(rint(c * unit));
  arrays.cells[0][i] = cell;
  arrays.values[0][i] =
      2 * inputs.bins <= kMostPacked ? fixed | static_cast<uint64_t>(cell) << kCellShift : fixed;
}

__global__ void __launch_bounds__(kThreads) clear_tallies(Tally* tallies, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < count) tallies[i] = {0, 0};
}

struct Draws {
  const uint32_t* cells;
  const uint64_t* values;
  int64_t samples;
  int64_t slices;  // a resample
  int bins;
  int64_t seed;
  Tally* tallies;  // [B, M]
};

// Where draws go: to the thread's own bins, or at once to the resample's.
template <bool kOwn>
struct Sink {
  Tally* tallies;

  __device__ __forceinline__ void add(uint32_t cell, uint64_t fixed) const {
    Tally* at = tallies + (cell >> 1) * (kOwn ? kThreads : 1);
    if (kOwn) {
      Tally tally = *at;
      tally.confidence += fixed;
      tally.counts += one_draw(cell);
      *at = tally;
    } else {
      atomicAdd(&at->confidence, static_cast<unsigned long long>(fixed));
      atomicAdd(&at->counts, one_draw(cell));
    }
  }
};

template <bool kOwn>
__device__ __forceinline__ void take(const Draws& draws, bool packed, int64_t position,
                                     const Sink<kOwn>& sink) {
  const uint64_t value = draws.values[position];
  if (packed) {
    sink.add(static_cast<uint32_t>(value >> kCellShift), value & ((uint64_t{1} << kCellShift) - 1));
  } else {
    sink.add(draws.cells[position], value);
  }
}

template <bool kOwn>
__global__ void __launch_bounds__(kThreads) draw(Draws draws) {
  const int64_t resample = blockIdx.x / draws.slices;
  const int64_t begin = blockIdx.x % draws.slices * kSlice;
  const int64_t end = min(begin + kSlice, draws.samples);
  const bool packed = 2 * draws.bins <= kMostPacked;
  Tally* result = draws.tallies + resample * draws.bins;
  Tally* own = reinterpret_cast<Tally*>(dynamic_shared());
  if (kOwn) {
    for (int bin = 0; bin < draws.bins; ++bin) own[bin * kThreads + threadIdx.x] = Tally{0, 0};
  }
  const Sink<kOwn> sink{kOwn ? own + threadIdx.x : result};
  const PhiloxKey key = philox_key(draws.seed);
  const bool narrow = draws.samples <= kNarrowDraws;
  const int step = narrow ? 4 : 2;  // draws of a block of random words
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
      if (d < step && i + d < end) take(draws, packed, positions[d], sink);
    }
  }
  if (!kOwn) return;
  __syncthreads();
  // A thread a bin, each beginning at another column: no two meet in a bank. Integers: any order gives the
  // same bits.
  for (int bin = threadIdx.x; bin < draws.bins; bin += kThreads) {
    Tally total{0, 0};
    for (int column = 0; column < kThreads; ++column) {
      const Tally part = own[bin * kThreads + (column + bin) % kThreads];
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

struct Layout {
  CellArrays arrays{};
  Tally* tallies = nullptr;
  void* counts = nullptr;
  int64_t bytes = 0;

  Layout(const BootstrapInputs& inputs, void* scratch) {
    unsigned char* base = static_cast<unsigned char*>(scratch);
    const auto take = [&](int64_t size) {
      unsigned char* at = base == nullptr ? nullptr : base + bytes;
      bytes += divide_up(size, 16) * 16;
      return at;
    };
    for (int i = 0; i < 2; ++i) arrays.cells[i] = reinterpret_cast<uint32_t*>(take(inputs.samples * 4));
    for (int i = 0; i < 2; ++i) arrays.values[i] = reinterpret_cast<uint64_t*>(take(inputs.samples * 8));
    tallies =
        reinterpret_cast<Tally*>(take(inputs.resamples * inputs.bins * static_cast<int64_t>(sizeof(Tally))));
    counts = take(sort_bytes(inputs.samples, 2 * inputs.bins));
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
  int at = 0;
  error = sort_by_cell(layout.arrays, inputs.samples, 2 * inputs.bins, layout.counts, &at, stream);
  if (error != cudaSuccess) return error;
  const int64_t count = inputs.resamples * inputs.bins;
  error = launch(clear_tallies, divide_up(count, kThreads), kThreads, 0, stream, layout.tallies, count);
  if (error != cudaSuccess) return error;
  const Draws draws{layout.arrays.cells[at],
                    layout.arrays.values[at],
                    inputs.samples,
                    divide_up(inputs.samples, kSlice),
                    static_cast<int>(inputs.bins),
                    inputs.seed,
                    layout.tallies};
  const int64_t blocks = inputs.resamples * draws.slices;
  error = inputs.bins <= kMostOwnBins
              ? launch(draw<true>, blocks, kThreads, inputs.bins * kThreads * sizeof(Tally), stream, draws)
              : launch(draw<false>, blocks, kThreads, 0, stream, draws);
  if (error != cudaSuccess) return error;
  return launch(read_tallies, divide_up(count, kThreads), kThreads, 0, stream, layout.tallies, count,
                inputs.bins, ldexp(1.0, -bits), sums);
}

}  // namespace calibench
