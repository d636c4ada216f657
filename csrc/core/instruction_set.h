// Which instruction set serves: the best that the processor has, or the one that the environment's
// CALIBENCH_ISA names.
#pragma once

namespace calibench {

// Names that this build holds, and those of them that run on this processor: best first, joined by a space.
const char* compiled_instruction_sets();
const char* usable_instruction_sets();

// avx512, avx2, neon or generic. Asked once: results must not change within a process.
const char* instruction_set();

// What CALIBENCH_ISA asks for and this processor or build lacks, or null.
const char* refused_instruction_set();

}  // namespace calibench
