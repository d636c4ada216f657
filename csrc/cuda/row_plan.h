// The distribution of rows over lanes, warps and blocks. It depends on N and K only, never on the device,
// because it fixes the order of every sum.
#pragma once

#include "matrix.h"

namespace calibench {

constexpr int64_t kMaxBlocks = 8192;  // each writes partial sums; an H200 runs about 700 at a time

struct RowPlan {
  bool wide;        // the warps of a block take stretches of a row; else L < 32 lanes of a warp share a row
  int lanes;        // L
  int steps;        // narrow: consecutive rows of a group, at most L, so that each lane owns at most one
  int parts;        // wide: stretches per row
  int part_length;  // wide: scores per stretch
  int rows_per_block;  // processed together
  int owners;          // threads of a block that own rows: the first owners / 4 lanes of each warp
  int64_t batches;     // groups of rows_per_block rows
  int64_t per_block;   // consecutive batches of a block
  int64_t blocks;
};

inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t between(int64_t low, int64_t value, int64_t high) {
  return value < low ? low : value > high ? high : value;
}

// How many consecutive steps each warp takes, and how many blocks of kWarps warps are launched.
struct WarpPlan {
  int64_t per_warp;
  int64_t blocks;
};

// Distributes `steps` steps of one warp each over at most `max_blocks` blocks.
inline WarpPlan plan_warps(int64_t steps, int64_t max_blocks) {
  WarpPlan plan{};
  plan.per_warp = divide_up(steps, max_blocks * kWarps);
  plan.blocks = plan.per_warp == 0 ? 0 : divide_up(steps, plan.per_warp * kWarps);
  return plan;
}

// A block processes 64 wide rows together, and half of its threads finish one each. If all threads did, a
// wide row would take 3 % fewer instructions, but only half as many blocks would fit in shared memory.
constexpr int kWideOwners = kThreads / 2;

// `max_wide_rows` is the largest number of wide rows that a block processes together, at most kWideOwners.
inline RowPlan plan_rows(int64_t rows, int64_t classes, int64_t max_wide_rows = kWideOwners) {
  RowPlan plan{};
  plan.wide = classes > kStretch / 2;  // the compiler knows the number of lanes if all 32 share a row
  plan.lanes = 1;
  if (plan.wide) {
    plan.lanes = kWarp;
    plan.parts = static_cast<int>(divide_up(classes, kStretch));
    // A multiple of every vector length.
    plan.part_length = static_cast<int>(divide_up(divide_up(classes, plan.parts), 8) * 8);
    const int64_t max_rows = between(1, kThreads / plan.parts, max_wide_rows);
    plan.owners = kWideOwners;
    plan.rows_per_block = static_cast<int>(between(1, rows / 2048, max_rows));
  } else {
    while (plan.lanes * kLaneScores < classes) plan.lanes *= 2;
    // With few rows, more warps are better than more rows per warp, up to about
    // 4096 warps: 30 per multiprocessor of an H200.
    const int groups_per_warp = kWarp / plan.lanes;
    plan.steps =
        static_cast<int>(between(1, divide_up(between(1, rows / 4096, kWarp), groups_per_warp), plan.lanes));
    plan.rows_per_block = kWarps * plan.steps * groups_per_warp;
    plan.owners = kThreads;
  }
  plan.batches = divide_up(rows, plan.rows_per_block);
  plan.per_block = divide_up(plan.batches, kMaxBlocks);
  plan.blocks = plan.per_block == 0 ? 0 : divide_up(plan.batches, plan.per_block);
  return plan;
}

// Stretch g of row i, for a wide plan.
template <typename T>
__device__ __forceinline__ Stretch stretch_of(const Matrix<T>& matrix, const RowPlan& plan, int64_t i,
                                              int g) {
  const int begin = g * plan.part_length;
  const int length = min(plan.part_length, matrix.classes - begin);
  return {i, begin, length, length};
}

}  // namespace calibench
