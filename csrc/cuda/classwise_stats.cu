// classwise_stats on CUDA: pass one brings each row to its top and total, in float64; in pass two a lane owns
// a class, and adds up that class's entries over a share of the rows in a table of its own.
#include "classwise_entry.h"
#include "classwise_stats.h"
#include "fault.h"
#include "rows.h"
#include "total.h"

namespace calibench {
namespace {

// A class and bin. All 16 bytes are read and written together.
struct __align__(16) Cell {
  double sum;
  uint32_t count;
  uint32_t labels;
};

constexpr int kMostOwn = 32;             // bins up to which tables lie in shared memory: 64 KiB a block
constexpr int64_t kMostBytes = 1 << 28;  // of tables in global memory, as on the CPU

template <bool kFromProbs>
struct UnitOp {
  static constexpr bool kProbs = kFromProbs;
  static constexpr bool kFast = false;  // so that kSquares is not asked for

  LabelView labels;
  RowUnit* units;
  int64_t* fault;

  size_t shared_bytes() const { return 0; }

  class Worker {
   public:
    __device__ Worker(const UnitOp& op, unsigned char*) : op_(op) {}
    __device__ bool doubtful(const RowScan&) const { return false; }

    template <typename T>
    __device__ void accept(const Matrix<T>& matrix, const RowScan& row, int64_t i, bool valid) {
      if (!valid) return;
      const int64_t label = op_.labels.at(i);
      const bool labelled = label >= 0 && label < matrix.classes;
      RowUnit unit = row_unit(row);
      if (row.flags != 0 || !labelled) {
        report(op_.fault, i,
               row.flags & kInfinite ? RowStatus::kNonFinite
               : labelled            ? RowStatus::kProbability
                                     : RowStatus::kLabel);
        unit.total = nan("");
      }
      op_.units[i] = unit;
    }

    __device__ void finish() const {}

   private:
    const UnitOp& op_;
  };
};

// How entries are shared out: a warp takes `lanes` classes of 32 / lanes rows at a time.
struct TablePlan {
  bool own;  // whether tables are in shared memory, and a block of four warps leaves one
  int lanes;
  int64_t slabs;   // of `lanes` classes
  int64_t shares;  // of rows; each leaves a table [M, K]
  int64_t rows_a_share;
  int threads;

  TablePlan(int64_t rows, int64_t classes, int64_t bins) {
    own = bins <= kMostOwn;
    threads = own ? kThreads : kWarp;
    lanes = kWarp;
    while (own && lanes / 2 >= classes) lanes /= 2;
    slabs = divide_up(classes, lanes);
    const int64_t at_once = threads / lanes;
    // About 1024 blocks of four warps, 7 a processor of an H200; and not so many that a table outweighs its
    // rows.
    const int64_t fit = between(1, kMostBytes / (classes * bins * static_cast<int64_t>(sizeof(Cell))), 1024);
    const int64_t wanted = between(1, (own ? 1024 : 4096) / slabs, fit);
    shares = between(rows > 0 ? 1 : 0, divide_up(rows, 16 * at_once), wanted);
    rows_a_share = shares == 0 ? 0 : divide_up(rows, shares);
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
  if (unit.total != unit.total) return;  // a bad row; its fault is known
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
  constexpr int kAhead = 4;  // rows whose scores are asked for before the first is used
  const int lane = threadIdx.x % plan.lanes;
  const int group = threadIdx.x / plan.lanes;
  const int at_once = plan.threads / plan.lanes;
  const int64_t share = blockIdx.x / plan.slabs;
  const int k = static_cast<int>(blockIdx.x % plan.slabs) * plan.lanes + lane;
  const int bins = args.rule.bins;
  Cell* result = args.tables + share * bins * static_cast<int64_t>(matrix.classes);
  // Neighbouring threads have neighbouring cells, of 16 bytes: no two meet in a bank.
  Cell* table = plan.own ? reinterpret_cast<Cell*>(dynamic_shared()) + threadIdx.x : result + k;
  const int64_t stride = plan.own ? plan.threads : matrix.classes;
  if (plan.own || k < matrix.classes) {
    for (int bin = 0; bin < bins; ++bin) table[bin * stride] = Cell{0.0, 0, 0};
  }
  if (k < matrix.classes) {
    const int64_t begin = share * plan.rows_a_share;
    const int64_t end = min(begin + plan.rows_a_share, matrix.rows);
    for (int64_t row = begin + group; row < end; row += kAhead * at_once) {
      T scores[kAhead];
#pragma unroll
      for (int i = 0; i < kAhead; ++i) {
        const int64_t ahead = min(row + i * at_once, end - 1);
        scores[i] = matrix.row(ahead)[k * matrix.class_stride];
      }
#pragma unroll
      for (int i = 0; i < kAhead; ++i) {
        if (row + i * at_once < end) {
          add_entry<kProbs>(matrix, args, row + i * at_once, k, scores[i], table, stride);
        }
      }
    }
  }
  if (!plan.own) return;
  __syncthreads();
  // The block's table: class `column` of bin `bin`, over the groups in their order.
  Cell* all = reinterpret_cast<Cell*>(dynamic_shared());
  for (int i = threadIdx.x; i < bins * plan.lanes; i += plan.threads) {
    const int bin = i / plan.lanes;
    const int column = i % plan.lanes;
    const int own = static_cast<int>(blockIdx.x % plan.slabs) * plan.lanes + column;
    if (own >= matrix.classes) continue;
    Cell total{0.0, 0, 0};
    for (int g = 0; g < at_once; ++g) {
      const Cell cell = all[bin * plan.threads + g * plan.lanes + column];
      total.sum += cell.sum;
      total.count += cell.count;
      total.labels += cell.labels;
    }
    result[bin * static_cast<int64_t>(matrix.classes) + own] = total;
  }
}

// sums [3, K, M] from the tables of all shares, in their order.
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
  const size_t shared = plan.own ? args.bins * plan.threads * sizeof(Cell) : 0;
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
