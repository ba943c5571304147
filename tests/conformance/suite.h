// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/suite.h
//
// The part of the suite that does not know the executor: its cases as a list,
// and main() over it. Each case runs under a watchdog and has to leave as many
// descriptors and threads, and as much memory, as it found (RS-05).

#ifndef QIO_TESTS_CONFORMANCE_SUITE_H_
#define QIO_TESTS_CONFORMANCE_SUITE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "qio/conformance/harness.h"
#include "qio/loop_ref.h"

namespace qio::conformance {

struct Case {
  std::string name;  // "Ex04_PostWakesASleepingLoop"
  const char* rule;  // A sentence.
  void (*run)();
  bool on_demand;  // P2: runs only if it is named, or with --run_test=@p2.
  // Frees what qio keeps for this thread's next posts: no leak.
  void (*free_caches)() noexcept;
};

// The cases of one executor.
struct Suite {
  // Adds one case, a struct with
  //
  //   static constexpr char kRule[] = "...";
  //   static void Run();
  //
  // whose name begins with the clause's ID: Ex04_PostWakesASleepingLoop. One
  // that takes long besides has  static constexpr bool kOnDemand = true.
  template <class C>
  void Add() {
    cases.push_back(
        {NameOf<C>(), C::kRule, &C::Run, IsOnDemand<C>(), &FreePostCache});
  }
  template <class... C>
  void AddAll() {
    (Add<C>(), ...);
  }

  // "EX-04" of "Ex04_PostWakesASleepingLoop".
  static std::string ClauseOf(std::string_view case_name);

  // Runs what the arguments ask for; see README.md. Returns an exit code.
  int Main(int argc, char** argv) const;

  std::string name;
  std::vector<Exemption> exemptions;
  std::vector<Case> cases;

 private:
  // The name of C, without namespaces and template arguments.
  template <class C>
  static std::string NameOf() {
    std::string_view name = __PRETTY_FUNCTION__;
    name.remove_prefix(name.find("C = ") + 4);
    name = name.substr(0, name.find_first_of("<;]"));
    return std::string(name.substr(name.rfind(':') + 1));
  }

  template <class C>
  static constexpr bool IsOnDemand() {
    if constexpr (requires { C::kOnDemand; }) return C::kOnDemand;
    return false;
  }

  void Register() const;
  void Describe() const;
  const Exemption* ExemptionOf(const Case& one) const;
};

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_SUITE_H_
