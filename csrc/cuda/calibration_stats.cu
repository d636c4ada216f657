// calibration_stats on CUDA: a thread a row, then a block a bin. Simple and deterministic; no torch headers.
#include "calibration_stats.h"

namespace calibench {
namespace {

constexpr int kRowThreads = 128;
constexpr int kReduceThreads = 256;

template <typename T>
__global__ void rows_kernel(CalibrationArgs args, RowOutputs out) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kRowThreads + threadIdx.x;
  if (i >= args.rows) return;
  const T* scores = static_cast<const T*>(args.scores) + i * args.row_stride;
  const int64_t label = args.labels.at(i);
  Row row;
  const RowStatus status =
      evaluate_row(scores, args.classes, args.class_stride, label, args.from_probs, &row);
  if (status != RowStatus::kOk) {
    // The host reads this before the sums are taken, so the row's other outputs may stay unset.
    atomicMin(out.first_bad, static_cast<unsigned long long>(bad_row_code(i, status)));
    return;
  }
  out.samples[kConfidence * args.rows + i] = row.confidence;
  out.samples[kTail * args.rows + i] = row.tail;
  out.samples[kPrediction * args.rows + i] = static_cast<double>(row.prediction);
  out.samples[kNll * args.rows + i] = row.nll;
  out.samples[kBrier * args.rows + i] = row.brier;
  out.codes[i] = bin_of(row.confidence, args.bins) * 2 + (row.prediction == label ? 1 : 0);
}

// What a block adds up: a bin's sums use `a` for confidence; the totals use `a` for NLL and `b` for Brier.
struct Partial {
  long long count;
  long long correct;
  Sum a;
  Sum b;
};

// Tree over the threads of a block, always in the same order; the result is in parts[0].
__device__ void reduce_block(Partial* parts) {
  __syncthreads();
  for (int half = kReduceThreads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) {
      Partial& mine = parts[threadIdx.x];
      const Partial& other = parts[threadIdx.x + half];
      mine.count += other.count;
      mine.correct += other.correct;
      mine.a.add(other.a);
      mine.b.add(other.b);
    }
    __syncthreads();
  }
}

// Shared memory may not hold types with initialisers, hence the raw bytes: 256 * 48 = 12 288 of them.
__device__ Partial* shared_parts() {
  __shared__ __align__(16) unsigned char bytes[sizeof(Partial) * kReduceThreads];
  return reinterpret_cast<Partial*>(bytes);
}

__global__ void bins_kernel(int64_t rows, int64_t bins, RowOutputs in, double* bin_sums) {
  Partial* parts = shared_parts();
  Partial mine{};
  for (int64_t i = threadIdx.x; i < rows; i += kReduceThreads) {
    const int64_t code = in.codes[i];
    if (code / 2 != static_cast<int64_t>(blockIdx.x)) continue;
    mine.count += 1;
    mine.correct += code % 2;
    mine.a.add(in.samples[kConfidence * rows + i]);
  }
  parts[threadIdx.x] = mine;
  reduce_block(parts);
  if (threadIdx.x != 0) return;
  bin_sums[blockIdx.x] = static_cast<double>(parts[0].count);
  bin_sums[bins + blockIdx.x] = parts[0].a.value();
  bin_sums[2 * bins + blockIdx.x] = static_cast<double>(parts[0].correct);
}

__global__ void totals_kernel(int64_t rows, RowOutputs in, double* totals) {
  Partial* parts = shared_parts();
  Partial mine{};
  for (int64_t i = threadIdx.x; i < rows; i += kReduceThreads) {
    mine.correct += in.codes[i] % 2;
    mine.a.add(in.samples[kNll * rows + i]);
    mine.b.add(in.samples[kBrier * rows + i]);
  }
  parts[threadIdx.x] = mine;
  reduce_block(parts);
  if (threadIdx.x != 0) return;
  totals[0] = parts[0].a.value();
  totals[1] = parts[0].b.value();
  totals[2] = static_cast<double>(parts[0].correct);
  totals[3] = static_cast<double>(rows);
}

}  // namespace

cudaError_t launch_rows(const CalibrationArgs& args, const RowOutputs& out, cudaStream_t stream) {
  if (args.rows == 0) return cudaSuccess;  // a grid of no blocks is an error
  const unsigned int blocks = static_cast<unsigned int>((args.rows + kRowThreads - 1) / kRowThreads);
  switch (args.score_type) {
    case ScoreType::kFloat64:
      rows_kernel<double><<<blocks, kRowThreads, 0, stream>>>(args, out);
      break;
    case ScoreType::kFloat32:
      rows_kernel<float><<<blocks, kRowThreads, 0, stream>>>(args, out);
      break;
    case ScoreType::kBFloat16:
      rows_kernel<BFloat16><<<blocks, kRowThreads, 0, stream>>>(args, out);
      break;
    case ScoreType::kFloat16:
      rows_kernel<Float16><<<blocks, kRowThreads, 0, stream>>>(args, out);
      break;
  }
  return cudaGetLastError();
}

cudaError_t launch_reduce(int64_t rows, int64_t bins, const RowOutputs& in, double* bin_sums, double* totals,
                          cudaStream_t stream) {
  bins_kernel<<<static_cast<unsigned int>(bins), kReduceThreads, 0, stream>>>(rows, bins, in, bin_sums);
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) return error;
  totals_kernel<<<1, kReduceThreads, 0, stream>>>(rows, in, totals);
  return cudaGetLastError();
}

}  // namespace calibench
