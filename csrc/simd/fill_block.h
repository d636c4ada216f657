// Fills a RowBlock with up to 64 rows of any type and any strides.
#pragma once

#include "../core/scores.h"

namespace calibench::CALIBENCH_ISA {

constexpr int64_t kTileBytes = 1 << 18;  // of rows copied together if classes are not contiguous

// Rows copied together: as many as fit kTileBytes, up to 16, so that a
// column-major matrix is read along its columns.
CALIBENCH_INLINE int64_t tile_rows(int64_t classes, size_t size) {
  const int64_t max_rows = kTileBytes / (classes * static_cast<int64_t>(size));
  return max_rows < 1 ? 1 : max_rows > 16 ? 16 : max_rows;
}

// True if rows of type T are computed in float32. Instruction sets without FMA always use float64.
template <typename T>
constexpr bool kFast = kHasFma && sizeof(T) < 8;

template <bool kSquares, typename T>
CALIBENCH_INLINE void fill_fast(const Scores& scores, int64_t begin, int rows, void* scratch,
                                RowBlock* block) {
  const T* x = static_cast<const T*>(scores.data) + begin * scores.row_stride;
  if (scores.classes <= kNarrow) {
    float* staged = static_cast<float*>(scratch);
    for (int i = 0; i < rows; i += 16) {
      const T* sixteen[16];  // lanes past the last row repeat the last row
      for (int l = 0; l < 16; ++l) sixteen[l] = x + min_of(i + l, rows - 1) * scores.row_stride;
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
    const int64_t count = min_of<int64_t>(step, rows - i);
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

// The row itself if its classes are contiguous, else a copy in `scratch`.
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

// Fills label_score and correct, and returns the code of the first bad row of the block, or kNoBadRow.
template <typename T>
CALIBENCH_INLINE int64_t fill_labels(const Scores& scores, const LabelView& labels, bool from_probs,
                                     int64_t begin, int rows, RowBlock* block) {
  const T* x = static_cast<const T*>(scores.data) + begin * scores.row_stride;
  for (int i = 0; i < rows; ++i) {
    const int64_t label = labels.at(begin + i);
    if (CALIBENCH_UNLIKELY(!block->finite[i])) return bad_row_code(begin + i, RowStatus::kNonFinite);
    if (CALIBENCH_UNLIKELY(label < 0 || label >= scores.classes))
      return bad_row_code(begin + i, RowStatus::kLabel);
    if (CALIBENCH_UNLIKELY(from_probs && !block->in_range[i])) {
      return bad_row_code(begin + i, RowStatus::kProbability);
    }
    block->label_score[i] = to_double(x[i * scores.row_stride + label * scores.class_stride]);
    block->correct[i] = block->prediction[i] == label ? 1.0 : 0.0;
  }
  return kNoBadRow;
}

// Fills the rows up to the next multiple of 8 with certain, correct rows, which add nothing to the sums.
CALIBENCH_INLINE void pad(int rows, RowBlock* block) {
  for (int i = rows; i % 8 != 0; ++i) {
    block->top[i] = block->label_score[i] = block->correct[i] = block->unit[i] = 1.0;
    block->others[i] = block->squares[i] = block->ties[i] = 0.0;
  }
}

}  // namespace calibench::CALIBENCH_ISA
