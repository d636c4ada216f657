// class_table on the CPU: chunks of rows, at most 32, whose sums are added in order.
#include "../judging_inputs.h"
#include "host_values.h"
#include "parallel.h"

namespace calibench {
namespace {

constexpr int64_t kMostChunks = 32;
constexpr int64_t kTableBytes = int64_t{1} << 25;

struct Chunk {
  std::vector<double> moments;
  double expected_right = 0.0;
  std::vector<ClassEntry> entries;
};

// Adds items [begin, end), at most 64, to a chunk. In a row with a sum of 1, fewer than M probabilities lie
// above bin 0; rows of other sums are read again if there was no room for their entries.
void add_items(const Kernels& table, const ClassRows& rows, int64_t begin, int64_t end, bool list,
               double* scratch, Chunk* chunk) {
  const int64_t room = list ? (end - begin) * std::min(rows.bins, rows.scores.classes) : 0;
  const size_t before = chunk->entries.size();
  const auto fill = [&](int64_t entries, double* moments, double* expected_right) {
    chunk->entries.resize(before + static_cast<size_t>(entries));
    return table.class_table(rows, begin, end, moments, expected_right, chunk->entries.data() + before,
                             entries, scratch);
  };
  const int64_t found = fill(room, chunk->moments.data(), &chunk->expected_right);
  if (list && found > room) {
    Chunk unused;
    unused.moments.resize(chunk->moments.size());
    fill(found, unused.moments.data(), &unused.expected_right);
  }
  chunk->entries.resize(before + static_cast<size_t>(list ? found : 0));
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> class_table(const Tensor& scores, bool from_probs,
                                                               int64_t bins, const Tensor& factors,
                                                               const Tensor& rows, bool list) {
  const ClassRows args = check_rows(HostValues{}, scores, from_probs, bins, &factors, &rows);
  const int64_t cells = args.scores.classes * bins;
  const int64_t most = std::clamp(kTableBytes / (16 * cells), int64_t{1}, kMostChunks);
  const int64_t step = std::max<int64_t>(64, (args.count + most - 1) / most);
  const int64_t count = (args.count + step - 1) / step;
  std::vector<Chunk> chunks(static_cast<size_t>(count));
  const Kernels& table = selected_kernels();
  run_tasks(count, [&](const auto& next_task) {
    std::vector<double> scratch(static_cast<size_t>(row_scratch(args.scores.classes)));
    for (int64_t c = next_task(); c >= 0; c = next_task()) {
      Chunk& chunk = chunks[static_cast<size_t>(c)];
      chunk.moments.resize(static_cast<size_t>(2 * cells));
      const int64_t begin = c * step, end = std::min(args.count, begin + step);
      for (int64_t i = begin; i < end; i += 64) {
        add_items(table, args, i, std::min(end, i + 64), list, scratch.data(), &chunk);
        // As if the other rows had as many entries as the first ones: a vector that grows takes more.
        if (i == begin)
          chunk.entries.reserve(chunk.entries.size() * static_cast<size_t>((end - begin) / 60 + 1));
      }
    }
  });

  int64_t entries = 0;
  for (const Chunk& chunk : chunks) entries += static_cast<int64_t>(chunk.entries.size());
  Tensor moments = new_tensor<2>(scores, {2, cells}, ScalarType::Double);
  Tensor expected = new_tensor<1>(scores, {1}, ScalarType::Double);
  Tensor row = new_tensor<1>(scores, {entries}, ScalarType::Int);
  Tensor cell = new_tensor<1>(scores, {entries}, ScalarType::Int);
  Tensor p = new_tensor<1>(scores, {entries}, ScalarType::Double);
  double* sums = data<double>(moments);
  std::fill(sums, sums + 2 * cells, 0.0);
  *data<double>(expected) = 0.0;
  int64_t at = 0;
  for (Chunk& chunk : chunks) {
    const double* moment = chunk.moments.data();  // [2, M, K]
    for (int64_t order = 0; order < 2; ++order) {
      for (int64_t bin = 0; bin < bins; ++bin) {
        for (int64_t k = 0; k < args.scores.classes; ++k) sums[order * cells + k * bins + bin] += *moment++;
      }
    }
    *data<double>(expected) += chunk.expected_right;
    for (const ClassEntry& entry : chunk.entries) {
      data<int32_t>(row)[at] = entry.row;
      data<int32_t>(cell)[at] = entry.cell;
      data<double>(p)[at++] = entry.p;
    }
    chunk = Chunk{};
  }
  return {moments, expected, row, cell, p};
}

}  // namespace
}  // namespace calibench

CALIBENCH_CPU_OPERATORS(m) { m.impl("class_table", CALIBENCH_BOX(&calibench::class_table)); }
