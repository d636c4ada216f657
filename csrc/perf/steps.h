// Counts the instructions of a call by stopping after each one (the trap flag), for instruction sets that
// valgrind does not know. About 9 us an instruction; exact, and the same on a busy machine. x86-64 Linux.
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

inline volatile uint64_t stepped = 0;
inline volatile greg_t last_place = 0;

// A repeated instruction (rep stos, in memset) traps once a repetition, at the same place: one instruction.
inline void on_step(int, siginfo_t*, void* context) {
  const greg_t place = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
  if (place != last_place) stepped = stepped + 1;
  last_place = place;
}

// Instructions between the two flag writes: those of `call` and three of these lines.
template <typename Call>
uint64_t count_steps(const Call& call) {
  struct sigaction action{};
  action.sa_sigaction = on_step;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGTRAP, &action, nullptr);
  stepped = 0;
  // pushf writes below the stack pointer, where the compiler may keep values: step over the red zone first.
  asm volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tlea 128(%%rsp), %%rsp" ::
                   : "memory", "cc");
  call();
  asm volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\tandq $-257, (%%rsp)\n\tpopfq\n\tlea 128(%%rsp), %%rsp" ::
                   : "memory", "cc");
  return stepped;
}

#else

template <typename Call>
uint64_t count_steps(const Call&) {
  return 0;
}

#endif

}  // namespace calibench::perf
