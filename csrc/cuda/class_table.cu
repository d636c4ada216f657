// class_table on CUDA. A thread owns a class in a share of the rows and adds its entries to a table of its
// own; the tables are added in order. Entries are counted in segments of 32 classes, whose places come from a
// scan.
#include "class_entry.h"
#include "class_table.h"
#include "scan.h"
#include "threads.h"

namespace calibench {
namespace {

constexpr int64_t kTableThreads = int64_t{1} << 16;
constexpr int64_t kMostTableBytes = int64_t{1} << 25;  // as on the CPU, unless one table takes more
constexpr int64_t kSegment = 32;                       // classes
constexpr int64_t kRightRows = 256;                    // rows whose expected right predictions a thread adds

// The arrays in the scratch memory of one call.
struct TableScratch {
  int64_t shares;
  int64_t rows_per_share;
  int64_t segments;  // of all rows
  UnitScratch lanes;
  ClassUnit* units;
  double* tables;   // [shares, 2, M, K]
  double* right;    // [rows / 256]
  int64_t* places;  // [segments + 1] if entries are listed: their number, then where those of a segment begin
  int64_t* sums;    // scratch of the scan
  int64_t bytes;

  TableScratch(const ClassRows& rows, bool list, void* scratch)
      : TableScratch(rows, list, ScratchArrays(scratch)) {}

 private:
  TableScratch(const ClassRows& rows, bool list, ScratchArrays memory) : lanes(rows.count, &memory) {
    const int64_t K = rows.scores.classes;
    const int64_t most = between(1, kMostTableBytes / (16 * K * rows.bins), kTableThreads / K + 1);
    shares = between(1, divide_up(rows.count, 16), most);
    rows_per_share = divide_up(rows.count, shares);
    segments = list ? rows.count * divide_up(K, kSegment) : 0;
    units = memory.take<ClassUnit>(rows.count);
    tables = memory.take<double>(shares * 2 * K * rows.bins);
    right = memory.take<double>(divide_up(rows.count, kRightRows));
    places = memory.take<int64_t>(segments + 1);
    sums = memory.take<int64_t>(scan_sums(segments + 1));
    bytes = memory.bytes();
  }
};

// The probability that counts, and its cell.
__device__ __forceinline__ DeviceEntry scaled_entry(const ClassRows& rows, int64_t item, int64_t k,
                                                    const ClassUnit& unit) {
  DeviceEntry entry = entry_of(rows, item, k, unit);
  if (rows.factors != nullptr) entry.p = entry.p / unit.scaled;
  return entry;
}

__global__ void __launch_bounds__(kThreads) fill_tables(ClassRows rows, TableScratch scratch) {
  const int64_t K = rows.scores.classes;
  const int64_t k = thread_index() % K;
  const int64_t share = thread_index() / K;
  if (share >= scratch.shares) return;
  double* table = scratch.tables + share * 2 * rows.bins * K + k;
  for (int64_t bin = 0; bin < 2 * rows.bins; ++bin) table[bin * K] = 0.0;
  const int64_t begin = share * scratch.rows_per_share;
  for (int64_t item = begin; item < min(begin + scratch.rows_per_share, rows.count); ++item) {
    const DeviceEntry entry = scaled_entry(rows, item, k, scratch.units[item]);
    const int64_t bin = entry.cell - k * rows.bins;
    table[bin * K] += entry.p;
    table[(rows.bins + bin) * K] += entry.p * entry.p;
  }
}

// Adds up the tables of all shares, in order.
__global__ void __launch_bounds__(kThreads)
    add_tables(ClassRows rows, TableScratch scratch, double* moments) {
  const int64_t K = rows.scores.classes;
  const int64_t cells = K * rows.bins;
  const int64_t i = thread_index();
  if (i >= 2 * cells) return;
  double sum = 0.0;
  for (int64_t share = 0; share < scratch.shares; ++share) sum += scratch.tables[share * 2 * cells + i];
  const int64_t order = i / cells;
  moments[order * cells + i % K * rows.bins + i % cells / K] = sum;
}

__global__ void __launch_bounds__(kThreads) sum_right(ClassRows rows, TableScratch scratch) {
  const int64_t begin = thread_index() * kRightRows;
  if (begin >= rows.count) return;
  double sum = 0.0;
  for (int64_t item = begin; item < min(begin + kRightRows, rows.count); ++item) {
    const ClassUnit unit = scratch.units[item];
    sum += scaled_entry(rows, item, unit.prediction, unit).p;
  }
  scratch.right[thread_index()] = sum;
}

__global__ void add_right(int64_t count, const double* right, double* expected_right) {
  double sum = 0.0;
  for (int64_t i = 0; i < count; ++i) sum += right[i];
  *expected_right = sum;
}

// Calls visit(entry) for the entries above bin 0 of a segment, in the order of classes.
template <typename Visit>
__device__ __forceinline__ void for_entries(const ClassRows& rows, const TableScratch& scratch, int64_t item,
                                            int64_t segment, const Visit& visit) {
  const ClassUnit unit = scratch.units[item];
  const int64_t end = min((segment + 1) * kSegment, rows.scores.classes);
  for (int64_t k = segment * kSegment; k < end; ++k) {
    const DeviceEntry entry = scaled_entry(rows, item, k, unit);
    if (entry.cell > k * rows.bins) visit(entry);
  }
}

__global__ void __launch_bounds__(kThreads) count_entries(ClassRows rows, TableScratch scratch) {
  const int64_t at = thread_index();
  if (at == scratch.segments) scratch.places[at] = 0;
  if (at >= scratch.segments) return;
  const int64_t of_row = (rows.scores.classes + kSegment - 1) / kSegment;
  int64_t count = 0;
  for_entries(rows, scratch, at / of_row, at % of_row, [&](const DeviceEntry&) { ++count; });
  scratch.places[at] = count;
}

__global__ void __launch_bounds__(kThreads)
    write_entries(ClassRows rows, TableScratch scratch, EntryList entries) {
  const int64_t at = thread_index();
  if (at >= scratch.segments) return;
  const int64_t of_row = (rows.scores.classes + kSegment - 1) / kSegment;
  const int64_t item = at / of_row;
  int64_t place = scratch.places[at];
  for_entries(rows, scratch, item, at % of_row, [&](const DeviceEntry& entry) {
    entries.row[place] = static_cast<int32_t>(rows.row(item));
    entries.cell[place] = entry.cell;
    entries.p[place] = entry.p;
    ++place;
  });
}

}  // namespace

int64_t class_table_bytes(const ClassRows& rows, bool list) {
  return TableScratch(rows, list, nullptr).bytes;
}

cudaError_t sum_class_table(const ClassRows& rows, bool list, void* memory, double* moments,
                            double* expected_right, const int64_t** total, cudaStream_t stream) {
  const TableScratch scratch(rows, list, memory);
  const int64_t K = rows.scores.classes;
  const int64_t right = divide_up(rows.count, kRightRows);
  cudaError_t error = find_units(rows, scratch.lanes, scratch.units, stream);
  if (error != cudaSuccess) return error;
  error = launch_threads(fill_tables, scratch.shares * K, stream, rows, scratch);
  if (error != cudaSuccess) return error;
  error = launch_threads(add_tables, 2 * K * rows.bins, stream, rows, scratch, moments);
  if (error != cudaSuccess) return error;
  error = launch_threads(sum_right, right, stream, rows, scratch);
  if (error != cudaSuccess) return error;
  error =
      launch(add_right, 1, 1, 0, stream, right, static_cast<const double*>(scratch.right), expected_right);
  if (error != cudaSuccess || !list) return error;
  error = launch_threads(count_entries, scratch.segments + 1, stream, rows, scratch);
  if (error != cudaSuccess) return error;
  *total = scratch.places + scratch.segments;
  return exclusive_scan(scratch.places, scratch.segments + 1, scratch.sums, stream);
}

cudaError_t list_entries(const ClassRows& rows, void* memory, const EntryList& entries, cudaStream_t stream) {
  const TableScratch scratch(rows, true, memory);
  return launch_threads(write_entries, scratch.segments, stream, rows, scratch, entries);
}

}  // namespace calibench
