// Scores in device memory, and a stretch of a row in a lane's registers: 32 numbers a lane, 16 bytes a load
// where the rows are aligned, else number by number, neighbouring lanes reading neighbouring numbers.
#pragma once

#include "../core/scores.h"
#include "device.h"
#include "group.h"

namespace calibench {

constexpr int kLaneScores = 32;  // numbers a lane holds
constexpr int kStretch =
    kLaneScores * kWarp;  // numbers a warp holds: a row of up to 1024, or a stretch of a longer one
constexpr int kQuad = 4;  // what is skipped or summed together

template <typename T>
struct Matrix {
  const T* data;
  int64_t rows;
  int classes;
  int64_t row_stride;
  int64_t class_stride;
  bool aligned;  // each row starts at 16 bytes, lies densely and is a multiple of 16 bytes long

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

// Calls `f(Matrix<T>)` for the type that the scores have.
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

// A stretch [begin, begin + length) of a row, dealt out to the lanes of a group.
struct Stretch {
  int64_t row;  // one that exists, also where this group has none
  int begin;
  int length;  // 0: this group has no row
  int widest;  // the length of the groups that have one: the same for all lanes, so that none diverges
};

// Where register i of a lane lies in the stretch.
template <typename T>
__device__ __forceinline__ int place(int i, const Group& group, bool aligned) {
  constexpr int kStep = kVectorScores<T>;
  return aligned ? (i / kStep * group.lanes + group.sub) * kStep + i % kStep : i * group.lanes + group.sub;
}

// Whether any lane holds anything in quad q. Rounded down to whole vectors: right for both ways of dealing
// out.
template <typename T>
__device__ __forceinline__ bool quad_used(int q, const Group& group, int widest) {
  constexpr int kQuads = kVectorScores<T> / kQuad;
  return q / kQuads * kQuads * kQuad * group.lanes < widest;
}

// The same for what costs less than asking: a whole warp, whose lanes are known when this is compiled, never
// asks.
template <typename T>
__device__ __forceinline__ bool quad_worth(int q, const Group& group, int widest) {
  return group.lanes == kWarp || quad_used<T>(q, group, widest);
}

template <bool kDense, typename T>
__device__ __forceinline__ void load_numbers(const Matrix<T>& matrix, const Stretch& stretch,
                                             const Group& group, float fill, float (&x)[kLaneScores]) {
  const int64_t stride = kDense ? 1 : matrix.class_stride;
  const T* from = matrix.row(stretch.row) + (stretch.begin + group.sub) * stride;
  RawNumber<T> raw[kLaneScores];
#pragma unroll
  for (int q = 0; q < kLaneScores / kQuad; ++q) {
    const bool worth = quad_worth<T>(q, group, stretch.widest);
#pragma unroll
    for (int i = q * kQuad; i < (q + 1) * kQuad; ++i) raw[i] = no_number(fill, T{});
    if (!worth) continue;
#pragma unroll
    for (int i = q * kQuad; i < (q + 1) * kQuad; ++i) {
      raw[i] = load_raw_if(i * group.lanes + group.sub < stretch.length, from, fill);
      from += group.lanes * stride;
    }
  }
#pragma unroll
  for (int i = 0; i < kLaneScores; ++i)
    x[i] = decode_raw(raw[i], i * group.lanes + group.sub < stretch.length, fill, T{});
}

// Fills what lies past the end of the stretch with `fill`. All loads are under way before the first is used:
// 4 KiB of float32 a warp.
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
  const T* from = matrix.row(stretch.row) + stretch.begin + group.sub * kStep;
  const int left = stretch.length - group.sub * kStep;
  uint4 raw[kLaneScores / kStep];
#pragma unroll
  for (int v = 0; v < kLaneScores / kStep; ++v) {
    raw[v] = load_vector_if(v * group.lanes * kStep < left, from, sizeof(T) == 4 ? __float_as_uint(fill) : 0);
    from += group.lanes * kStep;
  }
#pragma unroll
  for (int v = 0; v < kLaneScores / kStep; ++v)
    decode(raw[v], v * group.lanes * kStep < left, fill, x + v * kStep, T{});
}

}  // namespace calibench
