// Counts the instructions of a call by a trap after each instruction (the trap
// flag), for instruction sets that valgrind does not support. It takes about 9 us
// per instruction; the count is exact, also on a busy machine. x86-64 Linux only.
#pragma once

#include <cstdint>

#if defined(__x86_64__) && defined(__linux__)
#include <signal.h>
#include <ucontext.h>
#define CALIBENCH_CAN_STEP 1
#else
#define CALIBENCH_CAN_STEP 0
#endif

namespace calibench::perf {

#if CALIBENCH_CAN_STEP

inline volatile uint64_t step_count = 0;
inline volatile greg_t last_address = 0;

// A repeated instruction (rep stos, in memset) traps at each repetition, at the same address. It counts once.
inline void on_step(int, siginfo_t*, void* context) {
  const greg_t address = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
  if (address != last_address) step_count = step_count + 1;
  last_address = address;
}

// The number of instructions between the two writes of the flag: those of `call`, and three of this function.
template <typename Call>
uint64_t count_steps(const Call& call) {
  struct sigaction action{};
  action.sa_sigaction = on_step;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGTRAP, &action, nullptr);
  step_count = 0;
  // pushf writes below the stack pointer, where the compiler may keep values: step over the red zone first.
  asm volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tlea 128(%%rsp), %%rsp" ::
                   : "memory", "cc");
  call();
  asm volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\tandq $-257, (%%rsp)\n\tpopfq\n\tlea 128(%%rsp), %%rsp" ::
                   : "memory", "cc");
  return step_count;
}

#else

template <typename Call>
uint64_t count_steps(const Call&) {
  return 0;
}

#endif

}  // namespace calibench::perf
