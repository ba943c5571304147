// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#include "qio/conformance/suite.h"

#include <algorithm>
#include <boost/test/results_collector.hpp>
#include <boost/test/unit_test.hpp>
#include <boost/test/unit_test_parameters.hpp>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "qio/support/allocations.h"
#include "qio/support/proc.h"
#include "qio/support/watchdog.h"

namespace qio::conformance {
namespace {

// A case takes some milliseconds, some of them a second under a sanitizer.
constexpr unsigned kSecondsMax = 60;
constexpr unsigned kSecondsMaxOnDemand = 600;

// The environment may be less patient, when something is expected to hang.
unsigned SecondsMaxOf(const Case& one) {
  if (const char* seconds = std::getenv("QIO_CONFORMANCE_SECONDS_MAX")) {
    return static_cast<unsigned>(std::atoi(seconds));
  }
  return one.on_demand ? kSecondsMaxOnDemand : kSecondsMax;
}

std::int64_t BytesKept(const Case& one) {
  one.free_caches();
  return support::BytesAlive();
}

void RunCase(const Case& one) {
  // What fails is a clause, whatever the words of the check.
  const std::string promise = Suite::ClauseOf(one.name) + ", " + one.rule;
  BOOST_TEST_INFO_SCOPE(promise);
  support::Watchdog watchdog(promise + " (" + one.name + ")",
                             SecondsMaxOf(one));
  const support::Baseline before;
  const std::int64_t bytes_before = BytesKept(one);
  one.run();
  const std::string difference = before.Difference();
  BOOST_TEST(difference == "", "afterwards " << difference);
  const std::int64_t bytes_after = BytesKept(one);
  if (bytes_after <= bytes_before) return;
  // What is kept for the next time is not kept again.
  one.run();
  (void)before.Difference();
  const std::int64_t more = BytesKept(one) - bytes_after;
  BOOST_TEST(more <= 0, "it keeps " << more << " bytes each time");
}

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

// Boost.Test's registration function takes no argument.
const Suite* registering = nullptr;

}  // namespace

std::string Suite::ClauseOf(std::string_view case_name) {
  std::string clause;
  for (const char c : case_name.substr(0, case_name.find('_'))) {
    if (std::isdigit(static_cast<unsigned char>(c)) != 0 &&
        clause.find('-') == std::string::npos) {
      clause += '-';
    }
    clause += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return clause;
}

const Exemption* Suite::ExemptionOf(const Case& one) const {
  for (const Exemption& exemption : exemptions) {
    if (exemption.what == ClauseOf(one.name) || exemption.what == one.name) {
      return &exemption;
    }
  }
  return nullptr;
}

void Suite::Register() const {
  namespace unit_test = boost::unit_test;
  auto* suite = new unit_test::test_suite(name, __FILE__, __LINE__);
  unit_test::framework::master_test_suite().add(suite);
  for (const Case& one : cases) {
    auto* test = unit_test::make_test_case([&one] { RunCase(one); }, one.name,
                                           __FILE__, __LINE__);
    suite->add(test);
    if (one.on_demand) test->add_label("p2");
    if (one.on_demand || ExemptionOf(one) != nullptr) {
      test->p_default_status.value = unit_test::test_unit::RS_DISABLED;
    }
  }
}

// One JSON object, for the report.
void Suite::Describe() const {
  std::string text = "{\"suite\": " + Quoted(name) + ",\n \"exemptions\": {";
  for (const Exemption& exemption : exemptions) {
    text += text.back() == '{' ? "" : ",\n  ";
    text += Quoted(exemption.what) + ": " + Quoted(exemption.reason);
  }
  text += "},\n \"cases\": [";
  for (const Case& one : cases) {
    text += text.back() == '[' ? "\n  " : ",\n  ";
    text += "{\"name\": " + Quoted(one.name) +
            ", \"clause\": " + Quoted(ClauseOf(one.name)) +
            ", \"rule\": " + Quoted(one.rule) +
            ", \"on_demand\": " + (one.on_demand ? "true}" : "false}");
  }
  std::puts((text + "]}").c_str());
}

int Suite::Main(int argc, char** argv) const {
  namespace unit_test = boost::unit_test;
  std::vector<std::string> words(argv, argv + argc);
  if (std::find(words.begin(), words.end(), "--describe") != words.end()) {
    Describe();
    return EXIT_SUCCESS;
  }
  for (const Exemption& exemption : exemptions) {
    std::printf("%s is exempt from %s: %s\n", name.c_str(), exemption.what,
                exemption.reason);
  }
  std::fflush(stdout);
  // What Bazel's --test_filter asks for; "Ex04*" will do.
  const char* const filter = std::getenv("TESTBRIDGE_TEST_ONLY");
  if (filter != nullptr) {
    const std::string_view cases = filter;
    const bool is_whole = cases == name || cases.starts_with('@') ||
                          cases.find('/') != std::string_view::npos;
    words.push_back("--run_test=" + (is_whole ? "" : name + '/') + filter);
  }
  // A signal ends the program: Boost would jump out of the middle of a loop.
  words.insert(words.begin() + 1, "--catch_system_errors=no");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  // With the first thread a sanitizer starts one of its own, which stays.
  std::thread([] {}).join();

  // What Boost's own main() does: its library for static linking has one that
  // cannot be given the tests at run time.
  registering = this;
  int code = EXIT_FAILURE;
  try {
    unit_test::framework::init(
        [](int, char**) -> unit_test::test_suite* {
          registering->Register();
          return nullptr;
        },
        static_cast<int>(words.size()), arguments.data());
    unit_test::framework::finalize_setup_phase();
    if (unit_test::runtime_config::get<unit_test::output_format>(
            unit_test::runtime_config::btrt_list_content) !=
        unit_test::OF_INVALID) {
      for (const Case& one : cases) {
        std::printf("%s/%s: %s\n", name.c_str(), one.name.c_str(), one.rule);
      }
      code = EXIT_SUCCESS;
    } else {
      unit_test::framework::run();
      code = unit_test::results_collector
                 .results(unit_test::framework::master_test_suite().p_id)
                 .result_code();
    }
  } catch (const unit_test::framework::nothing_to_test& nothing) {
    code = nothing.m_result_code;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    // Bazel's filter is for all tests of a command, and some have no part in
    // it.
    const std::string_view what = e.what();
    if (filter != nullptr &&
        what.find("no test cases matching filter") != std::string_view::npos) {
      code = EXIT_SUCCESS;
    }
  }
  unit_test::framework::shutdown();
  return code;
}

}  // namespace qio::conformance
