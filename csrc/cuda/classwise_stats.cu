// classwise_stats on CUDA. The first pass reduces each row to its top and total, in float64. In the second
// pass each lane owns a class, and adds the entries of that class over a share of the rows to its own table.
#include "classwise_entry.h"
#include "classwise_stats.h"
#include "fault.h"
#include "scan_rows.h"
#include "total.h"

namespace calibench {
namespace {

// The sums of one bin of one class. All 16 bytes are read and written together.
struct __align__(16) Cell {
  double sum;
  uint32_t count;
  uint32_t labels;
};

constexpr int kMaxSharedBins = 32;           // up to here tables are in shared memory: 64 KiB per block
constexpr int64_t kMaxTableBytes = 1 << 28;  // of tables in global memory, as on the CPU

template <bool kFromProbs>
struct UnitOp {
  static constexpr bool kProbs = kFromProbs;
  static constexpr bool kFast = false;  // then kSquares is not needed

  LabelView labels;
  RowUnit* units;
  int64_t* fault;

  size_t shared_bytes() const { return 0; }

  class Worker {
   public:
    __device__ Worker(const UnitOp& op, unsigned char*) : op_(op) {}
    __device__ bool needs_float64(const RowScan&) const { return false; }

    template <typename T>
    __device__ void accept(const Matrix<T>& matrix, const RowScan& row, int64_t i, bool valid) {
      if (!valid) return;
      const int64_t label = op_.labels.at(i);
      const bool label_valid = label >= 0 && label < matrix.classes;
      RowUnit unit = row_unit(row);
      if (row.flags != 0 || !label_valid) {
        report(op_.fault, i, bad_row_status(row, label_valid));
        unit.total = nan("");
      }
      op_.units[i] = unit;
    }

    __device__ void finish() const {}

   private:
    const UnitOp& op_;
  };
};

// Assigns entries to threads: a warp takes `lanes` classes of 32 / lanes rows at a time.
struct TablePlan {
  bool in_shared;  // tables are in shared memory, and each block of four warps writes one
  int lanes;
  int64_t slabs;   // groups of `lanes` classes
  int64_t shares;  // of the rows; each writes a table [M, K]
  int64_t rows_per_share;
  int threads;

  TablePlan(int64_t rows, int64_t classes, int64_t bins) {
    in_shared = bins <= kMaxSharedBins;
    threads = in_shared ? kThreads : kWarp;
    lanes = kWarp;
    while (in_shared && lanes / 2 >= classes) lanes /= 2;
    slabs = divide_up(classes, lanes);
    const int64_t groups = threads / lanes;
    // About 1024 blocks of four warps, 7 per multiprocessor of an H200, but not so
    // many that a table costs more than its rows.
    const int64_t max_by_bytes =
        between(1, kMaxTableBytes / (classes * bins * static_cast<int64_t>(sizeof(Cell))), 1024);
    const int64_t max_shares = between(1, (in_shared ? 1024 : 4096) / slabs, max_by_bytes);
    shares = between(rows > 0 ? 1 : 0, divide_up(rows, 16 * groups), max_shares);
    rows_per_share = shares == 0 ? 0 : divide_up(rows, shares);
  }
};

struct TableArgs {
  LabelView labels;
  EntryRule rule;
  const RowUnit* units;
  Cell* tables;  // [shares, M, K]
};

template <bool kProbs, typename T>
__device__ __forceinline__ void add_entry(const Matrix<T>& matrix, const TableArgs& args, int64_t row, int k,
                                          T score, Cell* table, int64_t stride) {
  const RowUnit unit = args.units[row];
  if (unit.total != unit.total) return;  // a bad row, which is reported already
  const Entry entry = entry_of<kProbs>(score, unit, args.rule, k);
  if (!entry.counted) return;
  Cell* at = table + entry.bin * stride;
  Cell cell = *at;
  cell.sum += entry.p;
  cell.count += 1;
  cell.labels += args.labels.at(row) == k;
  *at = cell;
}

template <bool kProbs, typename T>
__global__ void __launch_bounds__(kThreads) fill_tables(Matrix<T> matrix, TablePlan plan, TableArgs args) {
  constexpr int kAhead = 4;  // rows whose scores are loaded before the first is used
  const int lane = threadIdx.x % plan.lanes;
  const int group = threadIdx.x / plan.lanes;
  const int groups = plan.threads / plan.lanes;
  const int64_t share = blockIdx.x / plan.slabs;
  const int k = static_cast<int>(blockIdx.x % plan.slabs) * plan.lanes + lane;
  const int bins = args.rule.bins;
  Cell* result = args.tables + share * bins * static_cast<int64_t>(matrix.classes);
  // Neighbouring threads have neighbouring cells of 16 bytes, so there are no bank conflicts.
  Cell* table = plan.in_shared ? reinterpret_cast<Cell*>(dynamic_shared()) + threadIdx.x : result + k;
  const int64_t stride = plan.in_shared ? plan.threads : matrix.classes;
  if (plan.in_shared || k < matrix.classes) {
    for (int bin = 0; bin < bins; ++bin) table[bin * stride] = Cell{0.0, 0, 0};
  }
  if (k < matrix.classes) {
    const int64_t begin = share * plan.rows_per_share;
    const int64_t end = min(begin + plan.rows_per_share, matrix.rows);
    for (int64_t row = begin + group; row < end; row += kAhead * groups) {
      T scores[kAhead];
#pragma unroll
      for (int i = 0; i < kAhead; ++i) {
        const int64_t ahead = min(row + i * groups, end - 1);
        scores[i] = matrix.row(ahead)[k * matrix.class_stride];
      }
#pragma unroll
      for (int i = 0; i < kAhead; ++i) {
        if (row + i * groups < end) {
          add_entry<kProbs>(matrix, args, row + i * groups, k, scores[i], table, stride);
        }
      }
    }
  }
  if (!plan.in_shared) return;
  __syncthreads();
  // The table of the block: adds up each class and bin over the groups, in order.
  Cell* block_tables = reinterpret_cast<Cell*>(dynamic_shared());
  for (int i = threadIdx.x; i < bins * plan.lanes; i += plan.threads) {
    const int bin = i / plan.lanes;
    const int column = i % plan.lanes;
    const int column_class = static_cast<int>(blockIdx.x % plan.slabs) * plan.lanes + column;
    if (column_class >= matrix.classes) continue;
    Cell total{0.0, 0, 0};
    for (int g = 0; g < groups; ++g) {
      const Cell cell = block_tables[bin * plan.threads + g * plan.lanes + column];
      total.sum += cell.sum;
      total.count += cell.count;
      total.labels += cell.labels;
    }
    result[bin * static_cast<int64_t>(matrix.classes) + column_class] = total;
  }
}

// Writes sums [3, K, M]: adds up the tables of all shares, in order.
__global__ void __launch_bounds__(kThreads)
    add_tables(const Cell* tables, int64_t shares, int64_t classes, int64_t bins, double* sums) {
  const int64_t cells = classes * bins;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= cells) return;
  Sum sum;
  int64_t count = 0;
  int64_t labels = 0;
  for (int64_t share = 0; share < shares; ++share) {
    const Cell cell = tables[share * cells + i];
    sum.add(cell.sum);
    count += cell.count;
    labels += cell.labels;
  }
  const int64_t out = i % classes * bins + i / classes;
  sums[out] = static_cast<double>(count);
  sums[cells + out] = sum.value();
  sums[2 * cells + out] = static_cast<double>(labels);
}

template <bool kProbs, typename T>
cudaError_t fill(const Matrix<T>& matrix, const ClasswiseArgs& args, const TablePlan& plan,
                 const TableArgs& tables, RowUnit* units, int64_t* fault, cudaStream_t stream) {
  const UnitOp<kProbs> op{args.labels, units, fault};
  const cudaError_t error = scan_rows(matrix, plan_rows(matrix.rows, matrix.classes), op, stream);
  if (error != cudaSuccess) return error;
  const size_t shared = plan.in_shared ? args.bins * plan.threads * sizeof(Cell) : 0;
  return launch(fill_tables<kProbs, T>, plan.shares * plan.slabs, plan.threads, shared, stream, matrix, plan,
                tables);
}

}  // namespace

int64_t classwise_bytes(const ClasswiseArgs& args) {
  const TablePlan plan(args.scores.rows, args.scores.classes, args.bins);
  return args.scores.rows * static_cast<int64_t>(sizeof(RowUnit)) +
         plan.shares * args.scores.classes * args.bins * static_cast<int64_t>(sizeof(Cell));
}

cudaError_t classwise_sums(const ClasswiseArgs& args, void* scratch, double* sums, int64_t* fault,
                           cudaStream_t stream) {
  cudaError_t error = clear_fault(fault, stream);
  if (error != cudaSuccess) return error;
  const int64_t rows = args.scores.rows;
  const int64_t classes = args.scores.classes;
  const TablePlan plan(rows, classes, args.bins);
  RowUnit* units = static_cast<RowUnit*>(scratch);
  const EntryRule rule{args.edges, args.edges_stride, static_cast<int>(args.bins), args.threshold};
  const TableArgs tables{args.labels, rule, units, reinterpret_cast<Cell*>(units + rows)};
  error = for_type(args.scores, [&](const auto& matrix) {
    return args.from_probs ? fill<true>(matrix, args, plan, tables, units, fault, stream)
                           : fill<false>(matrix, args, plan, tables, units, fault, stream);
  });
  if (error != cudaSuccess) return error;
  error = launch(add_tables, divide_up(classes * args.bins, kThreads), kThreads, 0, stream, tables.tables,
                 plan.shares, classes, args.bins, sums);
  return error != cudaSuccess ? error : label_fault(args.labels, fault, stream);
}

}  // namespace calibench
