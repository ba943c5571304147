// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#include "qio/simulation/runner.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "qio/simulation/schedule.h"

// Of the sanitizers, which end a program without a signal.
extern "C" void __sanitizer_set_death_callback(void (*callback)())
    __attribute__((weak));

namespace qio::simulation {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSchedules = 4'000;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr std::uint64_t kSchedules = 4'000;
#else
constexpr std::uint64_t kSchedules = 200'000;
#endif
#else
constexpr std::uint64_t kSchedules = 200'000;
#endif

// Every so many is run twice. Odd, or it would be the same scenario each time.
constexpr std::uint64_t kTwice = 251;

struct Arguments {
  std::uint64_t schedules = kSchedules;
  std::uint64_t seed = 1;
  std::string scenario;
  bool trace = false;
};

bool Parse(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const std::size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const std::string value(equals == word.npos ? "" : word.substr(equals + 1));
    if (name == "--schedules") {
      arguments.schedules = std::strtoull(value.c_str(), nullptr, 10);
    } else if (name == "--seed") {
      arguments.seed = std::strtoull(value.c_str(), nullptr, 10);
    } else if (name == "--scenario") {
      arguments.scenario = value;
    } else if (word == "--trace") {
      arguments.trace = true;
    } else {
      std::fprintf(stderr, "what is %s? See runner.h\n", argv[i]);
      return false;
    }
  }
  return true;
}

// What to say if the program ends now; written by a signal handler.
std::array<char, 512> last_words;

void Say(std::string_view words) {
  if (::write(STDERR_FILENO, words.data(), words.size()) < 0) return;
}
void SayLastWords() { Say(last_words.data()); }

void SayLastWordsAtTheEnd() {
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(&SayLastWords);
  }
  struct sigaction action = {};
  action.sa_handler = [](int signal) {
    SayLastWords();
    ::raise(signal);
  };
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
  ::sigaction(SIGABRT, &action, nullptr);
  ::sigaction(SIGALRM, &action, nullptr);
  // A sanitizer has handlers of its own for these.
  if (__sanitizer_set_death_callback != nullptr) return;
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE}) {
    ::sigaction(signal, &action, nullptr);
  }
}

struct Outcome {
  std::string violation;
  std::uint64_t hash = 0;
  std::uint64_t events = 0;
  std::string trace;
};

Outcome RunOne(const Scenario& scenario, std::uint64_t seed, bool trace) {
  SimulatedOptions options = scenario.options(seed);
  options.keep_trace = trace;
  Schedule schedule(options);
  scenario.run(schedule);
  return {schedule.violation(), schedule.world.trace_hash(),
          schedule.world.trace_size(), schedule.world.TraceText()};
}

}  // namespace

int RunSchedules(std::span<const Scenario> scenarios, const char* target,
                 int argc, char** argv) {
  Arguments arguments;
  if (!Parse(argc, argv, arguments)) return 2;
  if (!arguments.scenario.empty()) {
    while (!scenarios.empty() && scenarios[0].name != arguments.scenario) {
      scenarios = scenarios.subspan(1);
    }
    scenarios = scenarios.first(scenarios.empty() ? 0 : 1);
  }
  if (scenarios.empty()) {
    std::fprintf(stderr, "there is no scenario '%s'\n",
                 arguments.scenario.c_str());
    return 2;
  }
  SayLastWordsAtTheEnd();
  const auto start = std::chrono::steady_clock::now();
  std::uint64_t events = 0;
  for (std::uint64_t i = 0; i < arguments.schedules; ++i) {
    const Scenario& scenario = scenarios[i % scenarios.size()];
    const std::uint64_t seed = arguments.seed + i;
    std::snprintf(last_words.data(), last_words.size(),
                  "FAILED: scenario '%s', seed %llu\n"
                  "replay: tools/bazel run -c opt %s -- --scenario=%s "
                  "--seed=%llu --schedules=1 --trace\n",
                  scenario.name, static_cast<unsigned long long>(seed), target,
                  scenario.name, static_cast<unsigned long long>(seed));
    // One that hangs ends the program.
    if (i % 64 == 0) ::alarm(60);
    Outcome outcome = RunOne(scenario, seed, arguments.trace);
    events += outcome.events;
    if (outcome.violation.empty() && i % kTwice == 0) {
      const Outcome again = RunOne(scenario, seed, arguments.trace);
      if (again.hash != outcome.hash || again.events != outcome.events) {
        outcome.violation = "the same seed gives the same trace";
      }
    }
    if (arguments.trace) {
      std::fputs(outcome.trace.c_str(), stdout);
      std::printf("trace %016llx\n",
                  static_cast<unsigned long long>(outcome.hash));
    }
    if (!outcome.violation.empty()) {
      std::fflush(stdout);
      SayLastWords();
      Say("it does not hold that " + outcome.violation + "\n");
      return 1;
    }
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  std::printf("%llu schedules, %llu events, %.1f s\n",
              static_cast<unsigned long long>(arguments.schedules),
              static_cast<unsigned long long>(events), seconds);
  return 0;
}

}  // namespace qio::simulation
