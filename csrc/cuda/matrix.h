// Scores in device memory, and the loading of a stretch of a row into registers: 32 scores per
// lane. Aligned rows are loaded 16 bytes at a time, others one score at a time, with
// neighbouring lanes reading neighbouring scores.
#pragma once

#include "../core/scores.h"
#include "device.h"
#include "group.h"

namespace calibench {

constexpr int kLaneScores = 32;                // scores in the registers of a lane
constexpr int kStretch = kLaneScores * kWarp;  // scores in the registers of a warp, at most
constexpr int kQuad = 4;                       // scores that are skipped or summed together

template <typename T>
struct Matrix {
  const T* data;
  int64_t rows;
  int classes;
  int64_t row_stride;
  int64_t class_stride;
  bool aligned;  // each row is contiguous, and its address and size are multiples of 16 bytes

  __device__ const T* row(int64_t i) const { return data + i * row_stride; }
  __device__ double at(int64_t i, int j) const { return to_double(data[i * row_stride + j * class_stride]); }
};

template <typename T>
constexpr int kVectorScores = 16 / sizeof(T);

template <typename T>
Matrix<T> matrix_of(const Scores& scores) {
  constexpr int64_t kStep = kVectorScores<T>;
  const bool aligned = sizeof(T) < 8 && scores.class_stride == 1 && scores.classes % kStep == 0 &&
                       scores.row_stride % kStep == 0 && reinterpret_cast<uintptr_t>(scores.data) % 16 == 0;
  return {static_cast<const T*>(scores.data),
          scores.rows,
          static_cast<int>(scores.classes),
          scores.row_stride,
          scores.class_stride,
          aligned};
}

// Calls f(Matrix<T>) for the type T of the scores.
template <typename F>
cudaError_t for_type(const Scores& scores, const F& f) {
  switch (scores.type) {
    case ScoreType::kFloat64:
      return f(matrix_of<double>(scores));
    case ScoreType::kFloat32:
      return f(matrix_of<float>(scores));
    case ScoreType::kBFloat16:
      return f(matrix_of<BFloat16>(scores));
    default:
      return f(matrix_of<Float16>(scores));
  }
}

// A stretch [begin, begin + length) of a row, distributed over the lanes of a group.
struct Stretch {
  int64_t row;  // exists even if this group has no row
  int begin;
  int length;  // 0 if this group has no row
  int widest;  // the length in groups that have a row; the same for all lanes, so that they do not diverge
};

// The rows of a grid in which each group of lanes takes whole rows, `per_warp` times. Calls `work` with each
// row's stretch; the groups of a warp go on together, so a group past the last row gets an empty one.
template <typename T, typename Work>
__device__ __forceinline__ void for_each_row(const Matrix<T>& matrix, const Group& group, int64_t per_warp,
                                             Work work) {
  const int groups_per_warp = kWarp / group.lanes;
  const int64_t warp = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  for (int64_t step = 0; step < per_warp; ++step) {
    const int64_t first = (warp * per_warp + step) * groups_per_warp;
    if (first >= matrix.rows) return;  // the whole warp
    const int64_t i = first + group.index;
    const bool exists = i < matrix.rows;
    work(Stretch{exists ? i : 0, 0, exists ? matrix.classes : 0, matrix.classes});
    __syncwarp();
  }
}

// The position in the stretch of register i of a lane.
template <typename T>
__device__ __forceinline__ int register_position(int i, const Group& group, bool aligned) {
  constexpr int kStep = kVectorScores<T>;
  return aligned ? (i / kStep * group.lanes + group.sub) * kStep + i % kStep : i * group.lanes + group.sub;
}

// True if quad q of any lane contains a score. Rounding down to whole vectors
// makes it right for both ways of distribution.
template <typename T>
__device__ __forceinline__ bool quad_used(int q, const Group& group, int widest) {
  constexpr int kQuads = kVectorScores<T> / kQuad;
  return q / kQuads * kQuads * kQuad * group.lanes < widest;
}

// quad_used for work that is cheaper than the test. It is true without a test for a whole warp, whose number
// of lanes the compiler knows.
template <typename T>
__device__ __forceinline__ bool quad_worth(int q, const Group& group, int widest) {
  return group.lanes == kWarp || quad_used<T>(q, group, widest);
}

template <bool kDense, typename T>
__device__ __forceinline__ void load_numbers(const Matrix<T>& matrix, const Stretch& stretch,
                                             const Group& group, float fill, float (&x)[kLaneScores]) {
  const int64_t stride = kDense ? 1 : matrix.class_stride;
  const T* source = matrix.row(stretch.row) + (stretch.begin + group.sub) * stride;
  RawNumber<T> raw[kLaneScores];
#pragma unroll
  for (int q = 0; q < kLaneScores / kQuad; ++q) {
    const bool used = quad_worth<T>(q, group, stretch.widest);
#pragma unroll
    for (int i = q * kQuad; i < (q + 1) * kQuad; ++i) raw[i] = no_number(fill, T{});
    if (!used) continue;
#pragma unroll
    for (int i = q * kQuad; i < (q + 1) * kQuad; ++i) {
      raw[i] = load_raw_if(i * group.lanes + group.sub < stretch.length, source, fill);
      source += group.lanes * stride;
    }
  }
#pragma unroll
  for (int i = 0; i < kLaneScores; ++i)
    x[i] = decode_raw(raw[i], i * group.lanes + group.sub < stretch.length, fill, T{});
}

// Loads a stretch, with `fill` past its end. All loads start before the first
// result is used: 4 KiB of float32 per warp.
template <typename T>
__device__ __forceinline__ void load(const Matrix<T>& matrix, const Stretch& stretch, const Group& group,
                                     float fill, float (&x)[kLaneScores]) {
  constexpr int kStep = kVectorScores<T>;
  if (!matrix.aligned) {
    if (matrix.class_stride == 1) {
      load_numbers<true>(matrix, stretch, group, fill, x);
    } else {
      load_numbers<false>(matrix, stretch, group, fill, x);
    }
    return;
  }
  const T* source = matrix.row(stretch.row) + stretch.begin + group.sub * kStep;
  const int remaining = stretch.length - group.sub * kStep;
  uint4 raw[kLaneScores / kStep];
#pragma unroll
  for (int v = 0; v < kLaneScores / kStep; ++v) {
    raw[v] = load_vector_if(v * group.lanes * kStep < remaining, source,
                            sizeof(T) == 4 ? __float_as_uint(fill) : 0);
    source += group.lanes * kStep;
  }
#pragma unroll
  for (int v = 0; v < kLaneScores / kStep; ++v)
    decode(raw[v], v * group.lanes * kStep < remaining, fill, x + v * kStep, T{});
}

}  // namespace calibench
