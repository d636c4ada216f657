// The instruction set in use: the one that the environment variable CALIBENCH_ISA
// names, else the best that the processor has.
#pragma once

namespace calibench {

// The names of the instruction sets in this build, and of those that run on this
// processor: best first, separated by spaces.
const char* compiled_instruction_sets();
const char* usable_instruction_sets();

// avx512, avx2, neon or generic. It is decided once, so results cannot change within a process.
const char* instruction_set();

// The value of CALIBENCH_ISA if this processor or build lacks that instruction set, else null.
const char* refused_instruction_set();

}  // namespace calibench
