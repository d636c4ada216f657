// label_draws on CUDA: rows are prepared as on the CPU, with the same sums in the same order, and then each
// thread draws two of them in one draw. Counts are whole numbers, so that threads count in any order.
#include "class_entry.h"
#include "label_draws.h"
#include "threads.h"

namespace calibench {
namespace {

constexpr int32_t kMostShare = INT32_MAX;
constexpr double kLeastOthers = 0x1p-960;
constexpr int64_t kBlock = 64;                 // classes whose shares are added together
constexpr int64_t kShares = int64_t{1} << 23;  // of the rows in memory

// One row, ready to be drawn from. Shares are those of the classes other than the prediction, in 2^-31.
struct DrawnRow {
  uint32_t limit;    // the label is the prediction if a word is at most this
  int32_t own_cell;  // of the prediction
  int32_t last;      // the last class that can be drawn among the others
  double shares;     // 2^31 / the sum of the terms of the other classes
};

struct DrawScratch {
  int64_t rows;    // prepared together; even
  int64_t blocks;  // of a row
  UnitScratch lanes;
  ClassUnit* units;
  DrawnRow* drawn;      // [rows]
  double* running;      // [rows, blocks] the sum of the terms of a block, then of those before it
  int32_t* block_ends;  // [rows, blocks] the share of the classes up to the end of a block
  int32_t* ends;        // [rows, K] the share of the classes up to k
  int32_t* cells;       // [rows, K]
  int64_t bytes;

  DrawScratch(const LabelDrawArgs& args, void* scratch) : DrawScratch(args, ScratchArrays(scratch)) {}

 private:
  DrawScratch(const LabelDrawArgs& args, ScratchArrays memory) : lanes(args.rows.count, &memory) {
    const int64_t K = args.rows.scores.classes;
    rows = 2 * between(1, divide_up(args.rows.count, 2), between(1, kShares / (2 * K), kUnitItems / 2));
    blocks = divide_up(K, kBlock);
    units = memory.take<ClassUnit>(args.rows.count);
    drawn = memory.take<DrawnRow>(rows);
    running = memory.take<double>(rows * blocks);
    block_ends = memory.take<int32_t>(rows * blocks);
    ends = memory.take<int32_t>(rows * K);
    cells = memory.take<int32_t>(rows * K);
    bytes = memory.bytes();
  }
};

// Items [begin, begin + count), which are rows 0 .. count - 1 of the scratch.
struct DrawPass {
  LabelDrawArgs args;
  DrawScratch scratch;
  int64_t begin;
  int64_t count;

  __device__ const ClassRows& rows() const { return args.rows; }
};

__device__ __forceinline__ uint32_t word_limit(double x) {
  const double scaled = x * 0x1p32;
  if (!(scaled > 1.0)) return 0;
  if (scaled >= 0x1p32) return UINT32_MAX;
  const uint64_t whole = static_cast<uint64_t>(scaled);
  return static_cast<uint32_t>(static_cast<double>(whole) == scaled ? whole - 1 : whole);
}

__device__ __forceinline__ int32_t share_of(double running, double shares) {
  const double share = running * shares;
  return share >= static_cast<double>(kMostShare) ? kMostShare : static_cast<int32_t>(share);
}

// What class k has in the draw: its term, or its probability times its factor.
__device__ __forceinline__ double drawn_term(const ClassRows& rows, int64_t item, int64_t k,
                                             const ClassUnit& unit) {
  return rows.factors == nullptr ? term_of(rows, item, k, unit.top) : entry_of(rows, item, k, unit).p;
}

// The same for the classes other than the prediction, which has 0.
__device__ __forceinline__ double other_term(const ClassRows& rows, int64_t item, int64_t k,
                                             const ClassUnit& unit) {
  return k == unit.prediction ? 0.0 : drawn_term(rows, item, k, unit);
}

__global__ void __launch_bounds__(kThreads) sum_blocks(DrawPass pass) {
  const int64_t at = thread_index();
  if (at >= pass.count * pass.scratch.blocks) return;
  const int64_t item = pass.begin + at / pass.scratch.blocks;
  const int64_t first = at % pass.scratch.blocks * kBlock;
  const int64_t end = min(first + kBlock, pass.rows().scores.classes);
  const ClassUnit unit = pass.scratch.units[item];
  double total[8] = {};
  for (int64_t k = first; k < end; k += 8) {
#pragma unroll
    for (int l = 0; l < 8; ++l) {
      if (k + l < end) total[l] = total[l] + other_term(pass.rows(), item, k + l, unit);
    }
  }
  double sum = 0.0;
#pragma unroll
  for (int l = 0; l < 8; ++l) sum += total[l];
  pass.scratch.running[at] = sum;
}

__global__ void __launch_bounds__(kThreads) prepare_rows(DrawPass pass) {
  const int64_t i = thread_index();
  if (i >= pass.count) return;
  const int64_t item = pass.begin + i;
  const int64_t blocks = pass.scratch.blocks;
  const ClassUnit unit = pass.scratch.units[item];
  double* running = pass.scratch.running + i * blocks;
  const double sum = pass.rows().factors == nullptr ? unit.sum : unit.scaled;
  DrawnRow row{word_limit(drawn_term(pass.rows(), item, unit.prediction, unit) / sum),
               entry_of(pass.rows(), item, unit.prediction, unit).cell, 0, 0.0};
  double others = 0.0;
  for (int64_t b = 0; b < blocks; ++b) {
    const double of_block = running[b];
    running[b] = others;
    others += of_block;
  }
  // Nothing is left for the others; or scores are NaN or infinite, and shares would be NaN.
  if (!(others > kLeastOthers && others < HUGE_VAL)) row.limit = UINT32_MAX;
  if (row.limit != UINT32_MAX) {
    row.shares = 0x1p31 / others;
    for (int64_t b = 0; b < blocks; ++b) {
      pass.scratch.block_ends[i * blocks + b] =
          b + 1 < blocks ? share_of(running[b + 1], row.shares) : kMostShare;
    }
    int64_t last = pass.rows().scores.classes - 1;
    while (last > 0 && other_term(pass.rows(), item, last, unit) == 0.0) --last;
    row.last = static_cast<int32_t>(last);
  }
  pass.scratch.drawn[i] = row;
}

// Fills the cells and the shares of a block of classes.
__global__ void __launch_bounds__(kThreads) prepare_blocks(DrawPass pass) {
  const int64_t at = thread_index();
  if (at >= pass.count * pass.scratch.blocks) return;
  const int64_t i = at / pass.scratch.blocks;
  const int64_t first = at % pass.scratch.blocks * kBlock;
  const int64_t K = pass.rows().scores.classes;
  const DrawnRow row = pass.scratch.drawn[i];
  if (row.limit == UINT32_MAX) return;
  const ClassUnit unit = pass.scratch.units[pass.begin + i];
  double running = pass.scratch.running[at];
  for (int64_t k = first; k < min(first + kBlock, K); ++k) {
    running += other_term(pass.rows(), pass.begin + i, k, unit);
    pass.scratch.ends[i * K + k] = share_of(running, row.shares);
    pass.scratch.cells[i * K + k] = entry_of(pass.rows(), pass.begin + i, k, unit).cell;
  }
}

// The place of the first of `count` rising numbers that is above `value`; `count` if none is.
__device__ __forceinline__ int64_t first_above(const int32_t* rising, int64_t count, int32_t value) {
  int64_t low = 0;
  int64_t high = count;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (rising[middle] > value) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

// The cell of the class that a word selects among all but the prediction.
__device__ __forceinline__ int32_t other_cell(const DrawPass& pass, int64_t i, int32_t last, uint32_t word) {
  const int64_t K = pass.args.rows.scores.classes;
  const int64_t blocks = pass.scratch.blocks;
  const int32_t share = static_cast<int32_t>(word >> 1);
  const int64_t found = blocks == 1 ? 0 : first_above(pass.scratch.block_ends + i * blocks, blocks, share);
  const int64_t begin = min(found, last / kBlock) * kBlock;
  const int64_t end = min(begin + kBlock, K);
  const int64_t k = begin + first_above(pass.scratch.ends + i * K + begin, end - begin, share);
  return pass.scratch.cells[i * K + min(k, min(static_cast<int64_t>(last), end - 1))];
}

__global__ void __launch_bounds__(kThreads) draw(DrawPass pass) {
  const int64_t lanes = pass.args.lanes;
  const int64_t lane = thread_index() % lanes;
  const int64_t first = thread_index() / lanes * 2;
  if (first >= pass.count) return;
  const PhiloxBlock words =
      philox_draws(static_cast<uint64_t>((pass.begin + first) / 2),
                   static_cast<uint64_t>(pass.args.first + lane), philox_key(pass.args.seed));
#pragma unroll
  for (int second = 0; second < 2; ++second) {
    const int64_t i = first + second;
    if (i >= pass.count) break;
    const DrawnRow row = pass.scratch.drawn[i];
    int64_t cell = row.own_cell;
    if (words.word[2 * second] <= row.limit) {
      atomicAdd(pass.args.right + pass.args.cells[pass.begin + i] * lanes + lane, 1);
    } else {
      cell = other_cell(pass, i, row.last, words.word[2 * second + 1]);
    }
    atomicAdd(pass.args.labels + cell * lanes + lane, 1);
  }
}

}  // namespace

int64_t label_draw_bytes(const LabelDrawArgs& args) { return DrawScratch(args, nullptr).bytes; }

cudaError_t draw_labels(const LabelDrawArgs& args, int64_t num_cells, void* memory, cudaStream_t stream) {
  const DrawScratch scratch(args, memory);
  const ClassRows& rows = args.rows;
  if (args.lanes == 0) return cudaSuccess;
  const size_t row_bytes = static_cast<size_t>(args.lanes) * sizeof(int32_t);
  cudaError_t error = cudaMemsetAsync(args.right, 0, static_cast<size_t>(num_cells) * row_bytes, stream);
  if (error != cudaSuccess) return error;
  error = cudaMemsetAsync(args.labels, 0, static_cast<size_t>(rows.scores.classes * rows.bins) * row_bytes,
                          stream);
  if (error != cudaSuccess) return error;
  error = find_units(rows, scratch.lanes, scratch.units, stream);
  if (error != cudaSuccess) return error;
  for (int64_t begin = 0; begin < rows.count; begin += scratch.rows) {
    const int64_t count = between(0, rows.count - begin, scratch.rows);
    const DrawPass pass{args, scratch, begin, count};
    error = launch_threads(sum_blocks, count * scratch.blocks, stream, pass);
    if (error != cudaSuccess) return error;
    error = launch_threads(prepare_rows, count, stream, pass);
    if (error != cudaSuccess) return error;
    error = launch_threads(prepare_blocks, count * scratch.blocks, stream, pass);
    if (error != cudaSuccess) return error;
    error = launch_threads(draw, divide_up(count, 2) * args.lanes, stream, pass);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

}  // namespace calibench
