// The threads of the door without torch. They sleep between calls. No result depends on their number.
#pragma once

#include <cstdint>
#include <functional>

namespace calibench {

// How many threads a call may use, its caller included: set_threads, else OMP_NUM_THREADS, else the number of
// processors that this process may use.
int64_t threads();

void set_threads(int64_t count);

// Calls work(begin, end) for pieces of a range, of at least `grain` each, at most one a thread. While another
// call has the threads, the caller does all the work. Throws what a piece throws.
void parallel_for(int64_t begin, int64_t end, int64_t grain,
                  const std::function<void(int64_t, int64_t)>& work);

}  // namespace calibench
