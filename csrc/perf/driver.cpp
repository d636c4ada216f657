// Runs the cases of the torch-free core: to check them, to count their instructions, or to time them.
//
// - driver [--case NAME]...   runs each gated case, or the cases of --case: name, checksum
// - driver --list             name, fingerprint of the inputs
// - driver --isas             the instruction sets that this build and this processor have, best first
// - driver --check            compares every case with its float64 definition, on exact and shifted buffers
// - driver --count            name, fingerprint; one dump per case, in the order printed, under
//                             `valgrind --tool=callgrind --toggle-collect=calibench_perf_case
//                             --dump-after=calibench_perf_case`
// - driver --steps            name, fingerprint, instructions, on a sixteenth of the rows (perf/steps.h)
// - driver --time SECONDS     name, nanoseconds per call: the minimum of nine batches, as load only adds time
//
// CALIBENCH_ISA selects the instruction set. Exit code 1: a case is wrong. Exit
// code 2: the request cannot be carried out.
#include <chrono>
#include <cinttypes>
#include <cstdio>

#include "case.h"
#include "steps.h"

// callgrind counts in the function of this name.
extern "C" __attribute__((noinline)) void calibench_perf_case(calibench::perf::Case* perf_case,
                                                              const calibench::Kernels* kernels) {
  perf_case->run(*kernels);
  asm volatile("" ::: "memory");  // prevents a tail call: callgrind stops counting when this function returns
}

namespace calibench::perf {
namespace {

constexpr int64_t kStepDivisor = 16;
constexpr int kBatches = 9;

struct Options {
  std::string mode = "--run";
  std::string argument;
  std::vector<std::string> cases;

  bool wants(const Entry& entry) const {
    if (!cases.empty()) return std::find(cases.begin(), cases.end(), entry.name) != cases.end();
    return entry.gated || mode == "--check";
  }
};

double nanoseconds(Case* perf_case, const Kernels& kernels, double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto timed = [&](int64_t calls) {
    const auto begin = Clock::now();
    for (int64_t i = 0; i < calls; ++i) calibench_perf_case(perf_case, &kernels);
    return std::chrono::duration<double, std::nano>(Clock::now() - begin).count();
  };
  timed(1);
  const double once = std::max(timed(1), 1.0);
  const int64_t calls = std::max<int64_t>(1, static_cast<int64_t>(seconds * 1e9 / kBatches / once));
  double fastest = HUGE_VAL;
  for (int i = 0; i < kBatches; ++i) fastest = std::min(fastest, timed(calls) / static_cast<double>(calls));
  return fastest;
}

int check(const Entries& entries, const Options& options, const Kernels& kernels) {
  int wrong = 0, right = 0, index = 0;
  for (const Entry& entry : entries) {
    if (!options.wants(entry)) continue;
    const std::unique_ptr<Case> perf_case = entry.make({index++ % 4, true}, 1);
    perf_case->run(kernels);
    const std::string difference = perf_case->difference();
    if (difference.empty()) {
      ++right;
    } else if (++wrong <= 40) {
      std::printf("%s: %s: %s\n", kernels.name, entry.name.c_str(), difference.c_str());
    }
  }
  std::printf("%s: %d cases equal their float64 definition, %d do not\n", kernels.name, right, wrong);
  return wrong ? 1 : 0;
}

void run_case(const Entry& entry, const Options& options, const Kernels& kernels) {
  const bool stepping = options.mode == "--steps";
  const std::unique_ptr<Case> perf_case = entry.make({}, stepping ? kStepDivisor : 1);
  const char* name = entry.name.c_str();
  if (options.mode == "--list") {
    std::printf("%s %016" PRIx64 "\n", name, perf_case->fingerprint());
  } else if (options.mode == "--time") {
    std::printf("%s %.1f\n", name,
                nanoseconds(perf_case.get(), kernels, std::atof(options.argument.c_str())));
  } else {
    perf_case->run(kernels);  // the first call touches memory and warms the heap; it is not counted
    perf_case->clear();
    if (stepping) {
      const uint64_t steps = count_steps([&] { calibench_perf_case(perf_case.get(), &kernels); });
      std::printf("%s %016" PRIx64 " %" PRIu64 "\n", name, perf_case->fingerprint(), steps);
    } else {
      calibench_perf_case(perf_case.get(), &kernels);
      const uint64_t value = options.mode == "--count" ? perf_case->fingerprint() : perf_case->checksum();
      std::printf("%s %016" PRIx64 "\n", name, value);
    }
  }
}

int run_driver(const Options& options) {
  if (options.mode == "--isas") {
    std::printf("%s\n", usable_instruction_sets());
    return 0;
  }
  if (const char* refused = refused_instruction_set()) {
    std::fprintf(stderr, "CALIBENCH_ISA=%s cannot run here; these can: %s\n", refused,
                 usable_instruction_sets());
    return 2;
  }
  if (options.mode == "--steps" && !CALIBENCH_CAN_STEP) {
    std::fprintf(stderr, "--steps needs x86-64 Linux\n");
    return 2;
  }
  Entries entries;
  add_calibration_stats(entries);
  add_classwise_stats(entries);
  add_thresholds(entries);
  add_nll_curve(entries);
  add_bootstrap_bins(entries);
  add_resample(entries);
  add_resample_groups(entries);
  add_class_rows(entries);
  add_label_draws(entries);
  for (const std::string& name : options.cases) {
    if (std::none_of(entries.begin(), entries.end(),
                     [&](const Entry& entry) { return entry.name == name; })) {
      std::fprintf(stderr, "there is no case %s\n", name.c_str());
      return 2;
    }
  }
  if (options.mode == "--check") return check(entries, options, kernels());
  for (const Entry& entry : entries) {
    if (options.wants(entry)) run_case(entry, options, kernels());
  }
  return 0;
}

}  // namespace
}  // namespace calibench::perf

int main(int argc, char** argv) {
  calibench::perf::Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--case" && i + 1 < argc) {
      options.cases.emplace_back(argv[++i]);
    } else if (word == "--list" || word == "--isas" || word == "--check" || word == "--count" ||
               word == "--steps" || word == "--time") {
      options.mode = word;
    } else if (options.mode != "--run" && options.argument.empty() && word[0] != '-') {
      options.argument = word;
    } else {
      std::fprintf(stderr, "unknown argument %s; see csrc/perf/driver.cpp\n", argv[i]);
      return 2;
    }
  }
  if (options.mode == "--time" && options.argument.empty()) options.argument = "0.01";
  return calibench::perf::run_driver(options);
}
