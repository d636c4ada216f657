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

// Requests as many bytes as are read from `x` on, kPrefetchBytes ahead.
CALIBENCH_INLINE void prefetch_ahead(const void* x, int64_t bytes) {
  const char* ahead = static_cast<const char*>(x) + kPrefetchBytes;
  for (int64_t line = 0; line < bytes; line += 64) __builtin_prefetch(ahead + line, 0, 3);
}

template <bool kSquares, typename T>
CALIBENCH_INLINE void fill_fast(const Scores& scores, int64_t begin, int rows, void* scratch,
                                FastBlock* block) {
  const T* x = static_cast<const T*>(scores.data) + begin * scores.row_stride;
  block->infinite = block->too_large = 0;
  if (scores.classes <= kNarrow) {
    float* staged = static_cast<float*>(scratch);
    const bool dense = scores.class_stride == 1 && scores.row_stride < 2 * scores.classes;
    for (int i = 0; i < rows; i += 16) {
      const T* first = x + i * scores.row_stride;
      if (dense) prefetch_ahead(first, 16 * scores.row_stride * static_cast<int64_t>(sizeof(T)));
      if (i + 16 <= rows) {
        stage_columns<true>(first, scores.row_stride, 15, scores.classes, scores.class_stride, staged);
      } else {
        stage_columns<false>(first, scores.row_stride, rows - 1 - i, scores.classes, scores.class_stride,
                             staged);
      }
      if (scores.classes <= kSetClasses) {
        fast_columns<kSquares, true>(staged, scores.classes, i, block);
      } else {
        fast_columns<kSquares, false>(staged, scores.classes, i, block);
      }
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
  block->infinite = block->out_of_range = 0;
  if (scores.classes <= kExactNarrow) {
    const T* x = static_cast<const T*>(scores.data) + begin * scores.row_stride;
    double* staged = static_cast<double*>(scratch);
    for (int i = 0; i < rows; i += 8) {
      const T* eight[8];  // lanes past the last row repeat it
      for (int l = 0; l < 8; ++l) eight[l] = x + min_of(i + l, rows - 1) * scores.row_stride;
      stage_exact(eight, scores.classes, scores.class_stride, staged);
      exact_columns<kFromProbs>(staged, scores.classes, i, block);
    }
    return;
  }
  for (int i = 0; i < rows; ++i) {
    exact_row<kFromProbs>(contiguous_row<T>(scores, begin + i, scratch), scores.classes, i, block);
  }
}

// Copies the labels of a block, and the scores of their classes to `label_scores`.
template <typename L, typename T>
CALIBENCH_FUNCTION void gather_labels(const L* labels, int64_t label_stride, const Scores& scores,
                                      int64_t begin, int rows, T* label_scores, BlockRows* block) {
  const T* x = static_cast<const T*>(scores.data) + begin * scores.row_stride;
  labels += begin * label_stride;
  block->bad_label = 0;
  if (label_stride == 1) prefetch_ahead(labels, rows * static_cast<int64_t>(sizeof(L)));
  for (int i = 0; i < rows; ++i, x += scores.row_stride, labels += label_stride) {
    int64_t label = static_cast<int64_t>(*labels);
    if (CALIBENCH_UNLIKELY(static_cast<uint64_t>(label) >= static_cast<uint64_t>(scores.classes))) {
      block->bad_label |= uint64_t{1} << i;
      label = 0;
    }
    block->label[i] = label;
    label_scores[i] = x[label * scores.class_stride];
  }
}

// The code of the first bad row of the block, or kNoBadRow.
CALIBENCH_INLINE int64_t find_bad_row(const BlockRows& block, int64_t begin) {
  const uint64_t bad = block.infinite | block.bad_label | block.out_of_range;
  if (CALIBENCH_UNLIKELY(bad != 0)) {
    const int i = __builtin_ctzll(bad);
    const RowStatus status = block.infinite >> i & 1    ? RowStatus::kNonFinite
                             : block.bad_label >> i & 1 ? RowStatus::kLabel
                                                        : RowStatus::kProbability;
    return bad_row_code(begin + i, status);
  }
  return kNoBadRow;
}

template <typename T>
CALIBENCH_INLINE void store_label_scores(const T* label_scores, int rows, RowBlock* block) {
  for (int i = 0; i < rows; i += 8) store(block->label_score + i, load8(label_scores + i));
}
template <typename T>
CALIBENCH_INLINE void store_label_scores(const T* label_scores, int rows, FastBlock* block) {
  for (int i = 0; i < rows; i += 16) store(block->label_score + i, load16(label_scores + i));
}

// Fills label and label_score, and returns the code of the first bad row of the block, or kNoBadRow.
template <typename T, typename Block>
CALIBENCH_INLINE int64_t fill_labels(const Scores& scores, const LabelView& labels, int64_t begin, int rows,
                                     Block* block) {
  alignas(64) T label_scores[kBlockRows];
  if (rows < kBlockRows) memset(label_scores, 0, sizeof(label_scores));
  switch (labels.type) {
    case LabelType::kInt32:
      gather_labels(static_cast<const int32_t*>(labels.data), labels.stride, scores, begin, rows,
                    label_scores, block);
      break;
    case LabelType::kUInt8:
      gather_labels(static_cast<const uint8_t*>(labels.data), labels.stride, scores, begin, rows,
                    label_scores, block);
      break;
    default:
      gather_labels(static_cast<const int64_t*>(labels.data), labels.stride, scores, begin, rows,
                    label_scores, block);
  }
  store_label_scores(label_scores, rows, block);
  return find_bad_row(*block, begin);
}

// Fills the rows up to the next multiple of 8, or 16, with certain, correct rows, which add nothing (with a
// unit of infinity).
CALIBENCH_INLINE void pad(int rows, RowBlock* block) {
  for (int i = rows; i % 8 != 0; ++i) {
    block->top[i] = block->label_score[i] = 1.0;
    block->others[i] = block->squares[i] = block->ties[i] = 0.0;
    block->label[i] = block->prediction[i] = 0;
  }
}
CALIBENCH_INLINE void pad(int rows, FastBlock* block) {
  if (rows % 16 == 0) return;
  float* const floats[] = {block->top, block->inverse_unit, block->ties, block->label_score};
  if (rows <= kBlockRows - 16) {  // room for whole vectors
    for (float* array : floats) store(array + rows, set(0.0f));
    for (int half = 0; half < 16; half += 8) {
      store(block->others + rows + half, set(0.0));
      store(block->squares + rows + half, set(0.0));
    }
    memset(block->label + rows, 0, 16 * sizeof(int64_t));
    memset(block->prediction + rows, 0, 16 * sizeof(int64_t));
    return;
  }
  for (int i = rows; i < kBlockRows; ++i) {
    for (float* array : floats) array[i] = 0.0f;
    block->others[i] = block->squares[i] = 0.0;
    block->label[i] = block->prediction[i] = 0;
  }
}

}  // namespace calibench::CALIBENCH_ISA
