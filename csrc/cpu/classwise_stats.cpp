// classwise_stats on the CPU: fills a table per chunk of rows, at most 32, and adds the tables in order.
#include "parallel.h"

namespace calibench {
namespace {

std::tuple<Tensor, Tensor> classwise_stats(const Tensor& scores, const Tensor& labels, const Tensor& edges,
                                           int64_t bins, bool from_probs, double threshold) {
  ClasswiseArgs args = check_classwise_inputs(scores, labels, edges, bins, from_probs, threshold);
  const int64_t K = args.scores.classes;
  std::vector<double> first_edges(static_cast<size_t>(K));
  for (int64_t k = 0; k < K; ++k) {
    first_edges[static_cast<size_t>(k)] = bins == 1               ? HUGE_VAL
                                          : args.edges == nullptr ? bin_edge(1, bins)
                                                                  : args.edges[k * args.edges_stride];
  }
  args.first_edges = first_edges.data();

  const Kernels& kernel_table = selected_kernels();
  const int64_t cells = K * bins;
  const int64_t max_chunks = classwise_chunks(args.scores.rows, K, bins);
  const int64_t step = std::max<int64_t>(1, (args.scores.rows + max_chunks - 1) / max_chunks);
  const int64_t chunks = (args.scores.rows + step - 1) / step;
  std::vector<double> tables(static_cast<size_t>(chunks * kClassTables * cells));
  std::vector<int64_t> first_bad(static_cast<size_t>(chunks), kNoBadRow);
  for_chunks(args.scores.rows, step, K, [&](int64_t c, int64_t begin, int64_t end, char* scratch) {
    kernel_table.classwise_chunk(args, begin, end, &tables[static_cast<size_t>(c * kClassTables * cells)],
                                 &first_bad[static_cast<size_t>(c)], scratch);
  });
  fail_if_bad(first_bad, &args.labels, K);

  Tensor sums = new_tensor<3>(scores, {3, K, bins}, ScalarType::Double);
  double* out = data<double>(sums);
  parallel_for(0, cells, 4096, [&](int64_t first_cell, int64_t last_cell) {
    for (int64_t cell = first_cell; cell < last_cell; ++cell) {
      double count = 0.0, label_count = 0.0;
      Sum total;
      for (int64_t c = 0; c < chunks; ++c) {
        const double* table = tables.data() + c * kClassTables * cells + cell;
        count += table[0];
        total.add(Sum{table[cells], table[2 * cells]});
        label_count += table[3 * cells];
      }
      out[cell] = count;
      out[cells + cell] = total.value();
      out[2 * cells + cell] = label_count;
    }
  });
  return {sums, no_fault(scores)};
}

}  // namespace
}  // namespace calibench

CALIBENCH_CPU_OPERATORS(m) { m.impl("classwise_stats", CALIBENCH_BOX(&calibench::classwise_stats)); }
