// resample_risks on CUDA: counts of chunks of ties, the counts before each chunk, and then the risks of each
// chunk. Counts are exact, so each chunk starts where the CPU is at that tie.
#include "add_rows.h"
#include "resample.h"
#include "scratch.h"
#include "unfused.h"
#include "weighted.h"

namespace calibench {
namespace {

constexpr int64_t kTies = 256;  // of a chunk

constexpr double kEulerGamma = 0x1.2788cfc6fb619p-1;

// Of each chunk and lane, [chunks, P].
struct Chunks {
  int64_t count;
  double* accepted;   // first of the chunk, then before it
  double* errors;     // the same
  double* selective;  // of the chunk
  double* joint;      // of the chunk
  double* harmonics;  // [kHarmonics + 1]

  Chunks(const ResampleRisksArgs& args, ScratchArrays* memory) : count(divide_up(args.ties, kTies)) {
    for (double** array : {&accepted, &errors, &selective, &joint}) {
      *array = memory->take<double>(count * args.weights.lanes);
    }
    harmonics = memory->take<double>(kHarmonics + 1);
  }
};

__device__ __forceinline__ int64_t tie_begin(const ResampleRisksArgs& args, int64_t tie) {
  return tie == 0 ? 0 : args.ends[tie - 1];
}

__global__ void __launch_bounds__(kThreads) count_chunks(ResampleRisksArgs args, Chunks chunks) {
  const int64_t lanes = args.weights.lanes;
  const LaneTask task = lane_task(lanes);
  if (task.task >= chunks.count) return;
  const int64_t first = task.task * kTies;
  const int64_t end = args.ends[min(first + kTies, args.ties) - 1];
  double size = 0.0;
  double wrong = 0.0;
  for (int64_t i = tie_begin(args, first); i < end; ++i) {
    const double weight = static_cast<double>(args.weights.of(i)[task.lane]);
    size += weight;
    if (args.wrong[i] != 0) wrong += weight;
  }
  chunks.accepted[task.task * lanes + task.lane] = size;
  chunks.errors[task.task * lanes + task.lane] = wrong;
}

// Replaces the counts of chunks by those before them, and writes the totals to `risks`.
__global__ void __launch_bounds__(kThreads) count_before(ResampleRisksArgs args, Chunks chunks) {
  const int64_t lanes = args.weights.lanes;
  const int64_t lane = thread_index();
  if (lane >= lanes) return;
  double accepted = 0.0;
  double errors = 0.0;
  for (int64_t at = lane; at < chunks.count * lanes; at += lanes) {
    const double size = chunks.accepted[at];
    const double wrong = chunks.errors[at];
    chunks.accepted[at] = accepted;
    chunks.errors[at] = errors;
    accepted += size;
    errors += wrong;
  }
  args.risks[lane] = accepted;
  args.risks[lanes + lane] = errors;
}

// H(n) of whole numbers n, as on the CPU: of the table, or beyond it `ln n + gamma + 1 / 2n - 1 / 12n^2`.
__device__ __forceinline__ double harmonic_number(const double* table, double n) {
  if (n <= kHarmonics) return table[static_cast<int64_t>(n)];
  const double inverse = 1.0 / n;
  const double far = log_unfused(n) + kEulerGamma;
  return far + (inverse * 0.5 - inverse * inverse * (1.0 / 12));
}

// H(a + m) - H(a) of whole numbers. Beyond the table, for m small beside a, it is the series of the CPU in
// 1 / x^2, x the middle.
__device__ __forceinline__ double harmonic_span(const double* table, double a, double m) {
  constexpr double kSmallPart = 1.0 / 64;
  const double x = a + (m + 1.0) * 0.5;
  if (a + m <= kHarmonics || x * kSmallPart < m) {
    return harmonic_number(table, a + m) - harmonic_number(table, a);
  }
  const double inverse = 1.0 / x;
  const double u = inverse * inverse;
  const double square = m * m;
  const double fourth = square * (3.0 / 240) - 7.0 / 240;
  const double sixth = (square * (3.0 / 1344) - 18.0 / 1344) * square + 31.0 / 1344;
  const double powers = 1.0 / 12 + u * (fourth + u * sixth);
  return m * inverse * (1.0 + u * (square - 1.0) * powers);
}

struct RunningRisk {
  double accepted, errors, selective, joint;
};

// Adds a tie of `size` samples with `wrong` errors. `all_wrong` and `all_right` speak of the items of the
// tie.
__device__ __forceinline__ void add_tie(const double* table, double size, double wrong, bool all_right,
                                        bool all_wrong, RunningRisk* risk) {
  const double accepted = risk->accepted + size;
  const double span = harmonic_span(table, risk->accepted, size);
  if (all_right) {
    risk->selective = risk->selective + risk->errors * span;
    risk->joint = risk->joint + size * risk->errors;
  } else {
    const double rate = all_wrong ? 1.0 : wrong / (size > 1.0 ? size : 1.0);
    risk->selective = risk->selective + (wrong + (risk->errors - risk->accepted * rate) * span);
    risk->joint = risk->joint + size * (risk->errors + wrong * 0.5);
    risk->errors = risk->errors + wrong;
  }
  risk->accepted = accepted;
}

__global__ void __launch_bounds__(kThreads) follow_ties(ResampleRisksArgs args, Chunks chunks) {
  const int64_t lanes = args.weights.lanes;
  const LaneTask task = lane_task(lanes);
  if (task.task >= chunks.count) return;
  const int64_t at = task.task * lanes + task.lane;
  const int64_t first = task.task * kTies;
  RunningRisk risk{chunks.accepted[at], chunks.errors[at], 0.0, 0.0};
  int64_t i = tie_begin(args, first);
  for (int64_t tie = first; tie < min(first + kTies, args.ties); ++tie) {
    const int64_t begin = i;
    const int64_t end = args.ends[tie];
    double size = 0.0;
    double wrong = 0.0;
    int64_t num_wrong = 0;
    for (; i < end; ++i) {
      const double weight = static_cast<double>(args.weights.of(i)[task.lane]);
      size += weight;
      if (args.wrong[i] != 0) {
        wrong += weight;
        ++num_wrong;
      }
    }
    add_tie(chunks.harmonics, size, wrong, num_wrong == 0, num_wrong == i - begin, &risk);
  }
  chunks.selective[at] = risk.selective;
  chunks.joint[at] = risk.joint;
}

}  // namespace

int64_t risk_bytes(const ResampleRisksArgs& args) {
  ScratchArrays memory(nullptr);
  const Chunks chunks(args, &memory);
  return memory.bytes();
}

cudaError_t sum_risks(const ResampleRisksArgs& args, void* scratch, cudaStream_t stream) {
  ScratchArrays memory(scratch);
  const Chunks chunks(args, &memory);
  const int64_t lanes = args.weights.lanes;
  cudaError_t error = cudaMemcpyAsync(chunks.harmonics, kHarmonicTable.sums, sizeof(kHarmonicTable.sums),
                                      cudaMemcpyHostToDevice, stream);
  if (error != cudaSuccess) return error;
  error = launch_threads(count_chunks, chunks.count * lanes, stream, args, chunks);
  if (error != cudaSuccess) return error;
  error = launch_threads(count_before, lanes, stream, args, chunks);
  if (error != cudaSuccess) return error;
  error = launch_threads(follow_ties, chunks.count * lanes, stream, args, chunks);
  if (error != cudaSuccess) return error;
  error =
      launch_threads(add_rows, lanes, stream, chunks.selective, chunks.count, lanes, args.risks + 2 * lanes);
  if (error != cudaSuccess) return error;
  return launch_threads(add_rows, lanes, stream, chunks.joint, chunks.count, lanes, args.risks + 3 * lanes);
}

}  // namespace calibench
