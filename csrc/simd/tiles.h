// Brings rows of any type and any strides before the row functions, 64 at a time.
#pragma once

#include "../core/scores.h"

namespace calibench::CALIBENCH_ISA {

constexpr int64_t kTileBytes = 1 << 18;  // of rows copied together when classes do not lie side by side

// Rows copied at a time: as many as kTileBytes hold, so that a column-major matrix is read along its columns.
CALIBENCH_INLINE int64_t tile_rows(int64_t classes, size_t size) {
  const int64_t fit = kTileBytes / (classes * static_cast<int64_t>(size));
  return fit < 1 ? 1 : fit > 16 ? 16 : fit;
}

// Whether rows of this problem are computed in float32: an instruction set without FMA has no fast path.
template <typename T>
constexpr bool kFast = kHasFma && sizeof(T) < 8;

template <bool kSquares, typename T>
CALIBENCH_INLINE void fill_fast(const Scores& scores, int64_t begin, int rows, void* scratch,
                                RowBlock* block) {
  const T* x = static_cast<const T*>(scores.data) + begin * scores.row_stride;
  if (scores.classes <= kNarrow) {
    float* staged = static_cast<float*>(scratch);
    for (int i = 0; i < rows; i += 16) {
      const T* sixteen[16];  // lanes past the last row repeat it
      for (int l = 0; l < 16; ++l) sixteen[l] = x + least(i + l, rows - 1) * scores.row_stride;
      stage_columns(sixteen, scores.classes, scores.class_stride, staged);
      fast_columns<kSquares>(staged, scores.classes, i, block);
    }
    return;
  }
  if (scores.class_stride == 1) {
    for (int i = 0; i < rows; ++i) fast_row<kSquares>(x + i * scores.row_stride, scores.classes, i, block);
    return;
  }
  T* tile = static_cast<T*>(scratch);
  const int64_t step = tile_rows(scores.classes, sizeof(T));
  for (int64_t i = 0; i < rows; i += step) {
    const int64_t count = least<int64_t>(step, rows - i);
    for (int64_t j = 0; j < scores.classes; ++j) {
      for (int64_t l = 0; l < count; ++l) {
        tile[l * scores.classes + j] = x[(i + l) * scores.row_stride + j * scores.class_stride];
      }
    }
    for (int64_t l = 0; l < count; ++l) {
      fast_row<kSquares>(tile + l * scores.classes, scores.classes, static_cast<int>(i + l), block);
    }
  }
}

// The row itself where classes lie side by side, else a copy in `scratch`.
template <typename T>
CALIBENCH_INLINE const T* contiguous_row(const Scores& scores, int64_t row, void* scratch) {
  const T* x = static_cast<const T*>(scores.data) + row * scores.row_stride;
  if (scores.class_stride == 1) return x;
  T* copy = static_cast<T*>(scratch);
  for (int64_t j = 0; j < scores.classes; ++j) copy[j] = x[j * scores.class_stride];
  return copy;
}

template <bool kFromProbs, typename T>
CALIBENCH_INLINE void fill_exact(const Scores& scores, int64_t begin, int rows, void* scratch,
                                 RowBlock* block) {
  for (int i = 0; i < rows; ++i) {
    exact_row<kFromProbs>(contiguous_row<T>(scores, begin + i, scratch), scores.classes, i, block);
  }
}

// Adds what the labels say and returns the first bad row of the block as a code, or kNoBadRow.
template <typename T>
CALIBENCH_INLINE int64_t fill_labels(const Scores& scores, const LabelView& labels, bool from_probs,
                                     int64_t begin, int rows, RowBlock* block) {
  const T* x = static_cast<const T*>(scores.data) + begin * scores.row_stride;
  for (int i = 0; i < rows; ++i) {
    const int64_t label = labels.at(begin + i);
    if (CALIBENCH_UNLIKELY(!block->finite[i])) return bad_row_code(begin + i, RowStatus::kNonFinite);
    if (CALIBENCH_UNLIKELY(label < 0 || label >= scores.classes))
      return bad_row_code(begin + i, RowStatus::kLabel);
    if (CALIBENCH_UNLIKELY(from_probs && !block->proper[i])) {
      return bad_row_code(begin + i, RowStatus::kProbability);
    }
    block->truth[i] = to_double(x[i * scores.row_stride + label * scores.class_stride]);
    block->hit[i] = block->prediction[i] == label ? 1.0 : 0.0;
  }
  return kNoBadRow;
}

// Fills the lanes up to the next group of 8 with rows that add nothing: certain, and right.
CALIBENCH_INLINE void pad(int rows, RowBlock* block) {
  for (int i = rows; i % 8 != 0; ++i) {
    block->top[i] = block->truth[i] = block->hit[i] = block->unit[i] = 1.0;
    block->others[i] = block->squares[i] = block->ties[i] = 0.0;
  }
}

}  // namespace calibench::CALIBENCH_ISA
