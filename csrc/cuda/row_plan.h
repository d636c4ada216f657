// How rows are shared out over lanes, warps and blocks: by N and K alone, never by the device, because it
// fixes the order of every sum.
#pragma once

#include "matrix.h"

namespace calibench {

constexpr int64_t kMaxClasses = int64_t{1} << 20;  // 1024 stretches: 48 KiB of parts a block
constexpr int64_t kMaxBlocks = 8192;  // each leaves partial sums; an H200 holds about 700 at a time

struct RowPlan {
  bool wide;  // the warps of a block take stretches of a row; else L < 32 lanes of a warp share one
  int lanes;  // L
  int steps;  // narrow: rows that a group takes one after the other, at most L, so that each lane owns one
  int parts;  // wide: stretches a row
  int part_length;     // wide
  int rows_per_block;  // at a time
  int owners;          // threads of a block that own rows: the first owners / 4 of each warp
  int64_t batches;     // of rows_per_block rows
  int64_t per_block;   // batches one after the other
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

// Of 64 rows a block at a time, half of the lanes finish one each: that costs a wide row 3 % more
// instructions than all of them, and leaves twice the blocks room for what they keep in shared memory.
constexpr int kWideOwners = kThreads / 2;

// `most`: rows of a block at a time where rows are long, at most kWideOwners.
inline RowPlan plan_rows(int64_t rows, int64_t classes, int64_t most = kWideOwners) {
  RowPlan plan{};
  plan.wide = classes > kStretch / 2;  // with all 32 lanes at a row their number is known when it is compiled
  plan.lanes = 1;
  if (plan.wide) {
    plan.lanes = kWarp;
    plan.parts = static_cast<int>(divide_up(classes, kStretch));
    plan.part_length = static_cast<int>(divide_up(divide_up(classes, plan.parts), 8) * 8);  // whole vectors
    const int64_t fit = between(1, kThreads / plan.parts, most);
    plan.owners = kWideOwners;
    plan.rows_per_block = static_cast<int>(between(1, rows / 2048, fit));
  } else {
    while (plan.lanes * kLaneScores < classes) plan.lanes *= 2;
    // Few rows: rather more warps than more rows a warp, until there are about 4096 warps, 30 a processor of
    // an H200.
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

}  // namespace calibench
