// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// tests/models/checker.h
//
// How a model is explored. A model is a class that says what some threads do,
// and is made anew for each run of them:
//
//   struct OnePost : models::Model<OnePost, 2> {
//     static constexpr int kPreemptionsMax = 3;
//     void thread(unsigned index) { ... }  // Thread 0 or 1.
//     void after() { ... }                 // When both are through.
//   };
//
// Explored is every schedule with up to kPreemptionsMax preemptions, to block
// not being one, and in each whatever a relaxed load may return; or, if it says
// kRandomRuns instead, that many random ones. Found is: an Expect() that does
// not hold, a race for a Plain, all threads asleep (a lost wake-up), use of
// memory that was freed, memory that never is.

#ifndef QIO_TESTS_MODELS_CHECKER_H_
#define QIO_TESTS_MODELS_CHECKER_H_

#include <boost/test/unit_test.hpp>

#include "qio/models/checked_std.h"
#include "qio/models/checked_sys.h"

namespace models {

template <class M, int kThreads, int kMoreThreads = 0>
struct Model : rl::test_suite<M, kThreads> {
  static constexpr int kCount = kThreads + kMoreThreads;
  static constexpr rl::thread_id_t dynamic_thread_count = kMoreThreads;

  Model() {
    // Relacy's own heap would try every order in which memory is used again.
    // Shadows does without: no memory is used again in a run.
    struct Opened : rl::context {
      using rl::context::disable_alloc_;
    };
    int& without_heap = rl::ctx().*(&Opened::disable_alloc_);
    if (without_heap == 0) without_heap = 1;
    Shadows::Get().BeginRun();
    Kernel::Get().BeginRun();
  }
  ~Model() { Shadows::Get().EndRun(); }
};

// What an exploration has found.
struct Found {
  rl::test_result_e what;  // rl::test_result_success: nothing.
  std::string report;
  std::uint64_t runs;

  explicit operator bool() const { return what != rl::test_result_success; }
};

// With fewer preemptions than kPreemptionsMax it takes a fraction of the time.
template <class M>
Found Explore(int preemptions_less = 0) {
  constexpr bool kIsRandom = requires { M::kRandomRuns; };
  const auto run = [&](rl::test_params& params) {
    rl::ostringstream state;
    if constexpr (kIsRandom) {
      params.search_type = rl::sched_random;
      params.iteration_count = M::kRandomRuns;
      rl::run_test<M, rl::random_scheduler<M::kCount>>(params, state, false);
    } else {
      params.search_type = rl::sched_bound;
      params.context_bound = std::max(1, M::kPreemptionsMax - preemptions_less);
      rl::run_test<M, rl::context_bound_scheduler<M::kCount>>(params, state,
                                                              false);
    }
    params.initial_state = state.str();
  };
  std::ostringstream report;
  rl::test_params params;
  params.execution_depth_limit = 5'000;
  params.output_stream = &report;
  params.progress_stream = &report;
  run(params);
  const Found found{params.test_result, {}, params.stop_iteration};
  if (!found || planted.kind != Planted::Kind::kNone) return found;
  // The same again, for what each thread did.
  report.str("");
  params.collect_history = params.output_history = true;
  run(params);
  return {found.what, report.str(), found.runs};
}

// Nothing is wrong with qio.
template <class M>
void ExpectNothingFound(const char* model) {
  planted = Planted();
  const Found found = Explore<M>();
  BOOST_TEST(!found, model << ": " << rl::test_result_str(found.what) << " in "
                           << found.runs << " runs\n"
                           << found.report);
  BOOST_TEST_MESSAGE(model << ": " << found.runs << " runs");
}

// With `bug` in it, something is; and what.
template <class M>
void ExpectFound(const char* model, Planted bug, rl::test_result_e what) {
  planted = bug;
  const Found found = Explore<M>();
  planted = Planted();
  BOOST_TEST(found.what == what,
             model << " with a bug in " << bug.function << ": "
                   << rl::test_result_str(found.what) << " instead of "
                   << rl::test_result_str(what) << " in " << found.runs
                   << " runs");
}

// "Mailbox::Push" of what the compiler calls that function.
inline std::string ShortName(std::string_view function) {
  std::string_view name = function.substr(0, function.find('('));
  int nested = 0;
  std::size_t begin = name.size();
  for (; begin > 0; --begin) {
    const char c = name[begin - 1];
    if (c == '>') ++nested;
    if (c == '<') --nested;
    if (c == ' ' && nested == 0) break;
  }
  name.remove_prefix(begin);
  std::size_t colons = name.rfind("::");
  if (colons != std::string_view::npos && colons != 0) {
    colons = name.rfind("::", colons - 1);
  }
  return std::string(
      colons == std::string_view::npos ? name : name.substr(colons + 2));
}

inline const char* NameOf(std::memory_order order) {
  switch (order) {
    case std::memory_order_relaxed:
      return "relaxed";
    case std::memory_order_acquire:
      return "acquire";
    case std::memory_order_release:
      return "release";
    case std::memory_order_acq_rel:
      return "acq_rel";
    default:
      return "seq_cst";
  }
}

// "Mailbox::Push: release to relaxed", for a bug that no model needs to find.
struct Pardon {
  const char* weakening;
  const char* why;
};

// Weakens each memory order in the file `file` that the models pass, one after
// another. A model has to find out, or there is a reason why not.
template <class... M>
void ExpectEachOrderNeeded(std::string_view file, std::vector<Pardon> pardons) {
  planted = Planted();
  SitesSeen().clear();
  (Explore<M>(1), ...);
  std::vector<std::pair<std::string, std::memory_order>> sites;
  for (const Site& site : SitesSeen()) {
    if (!std::string_view(site.file).ends_with(file)) continue;
    sites.emplace_back(ShortName(site.function), site.order);
  }
  std::sort(sites.begin(), sites.end());
  sites.erase(std::unique(sites.begin(), sites.end()), sites.end());
  for (const auto& [function, order] : sites) {
    std::vector<std::memory_order> weaker = {std::memory_order_relaxed};
    if (order == std::memory_order_acq_rel) {
      weaker = {std::memory_order_acquire, std::memory_order_release};
    } else if (order == std::memory_order_seq_cst) {
      weaker = {std::memory_order_acq_rel};
    }
    for (const std::memory_order w : weaker) {
      const std::string weakening =
          function + ": " + NameOf(order) + " to " + NameOf(w);
      planted = {Planted::Kind::kWeaker, function + "(", order, w};
      const bool is_found = (static_cast<bool>(Explore<M>(1)) || ...);
      planted = Planted();
      const auto pardon = std::find_if(
          pardons.begin(), pardons.end(),
          [&](const Pardon& p) { return weakening == p.weakening; });
      const bool is_pardoned = pardon != pardons.end();
      if (is_pardoned) pardons.erase(pardon);
      BOOST_TEST(is_found != is_pardoned,
                 weakening << (is_found ? " is found; its pardon is stale"
                                        : " is not found by any model"));
      BOOST_TEST_MESSAGE(weakening << (is_found ? " is found" : ""));
    }
  }
  BOOST_TEST(!sites.empty());
  for (const Pardon& pardon : pardons) {
    BOOST_ERROR(pardon.weakening << ": nothing like it in the code");
  }
}

}  // namespace models

#endif  // QIO_TESTS_MODELS_CHECKER_H_
