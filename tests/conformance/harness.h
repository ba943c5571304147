// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/harness.h
//
// A harness is how the conformance suite starts, pumps and stops a loop that
// it knows nothing of. Write one for your executor E, a class with:
//
//   using Executor = E;
//   static constexpr char kName[] = "UvExecutor";  // Names the test suite.
//
//   // Which clauses, or single cases, E cannot meet, and why; the report
//   // shows them.
//   static std::vector<Exemption> Exemptions();
//
//   // What the host does with an exception that leaves a callback.
//   static constexpr Exceptions kExceptions = Exceptions::kLeaveRun;
//   // Whether several threads may be in Run() of one loop.
//   static constexpr bool kSeveralThreads = false;
//
//   UvHarness();               // Makes a host and an executor on it.
//   E& executor();
//   void DestroyExecutor();    // The host stays.
//   // One more executor, on the same host where hosts can have several.
//   absl::StatusOr<std::unique_ptr<E>> CreateAnother();
//
//   // Runs the loop on this thread, as its programs do, until Stop(). Sleeps
//   // in the kernel when there is nothing to do. Can be called again.
//   void Run();
//   // Lets Run() return when the present callback has.
//   void Stop(OnLoop<E>& on);
//   // In a callback: runs the same loop until a Stop() in another one, which
//   // ends only this inner run.
//   void RunNested(OnLoop<E>& on);
//   // Calls some of what is ready now, without waiting; repeated, all of it.
//   // Without an executor it turns the bare host, if there is one.
//   void RunOnce();
//   // Runs as a program does that ends when nothing is outstanding. False: at
//   // `deadline` something still was.
//   bool RunUntilIdle(std::chrono::steady_clock::time_point deadline);
//   // From now on the executor's clock follows the monotonic one while it
//   // runs. Nothing to do for most.
//   void FollowClock();
//
// and, if there is something to it:
//
//   // With kTerminate: the host, as the program's last words call it.
//   static constexpr char kHost[] = "libuv";
//   // In a forked child, before anything else: what the host wants done there.
//   void AfterFork();
//   // There, the host lets nobody run it.
//   static constexpr bool kRefusesForksItself = true;
//   // Calls f() once, so much later, in a callback of the host's own. For an
//   // executor on a loop that others use as well (host_cases.h).
//   void CallNatively(std::chrono::milliseconds after,
//                     std::function<void()> f);
//   // Lets Run() return; called by a signal handler. Only for a loop that
//   // promises it (EX-19).
//   void StopFromSignal();
//
// epoll_harness.h is the one to copy.

#ifndef QIO_TESTS_CONFORMANCE_HARNESS_H_
#define QIO_TESTS_CONFORMANCE_HARNESS_H_

namespace qio::conformance {

struct Exemption {
  const char* what;    // A clause, "EX-15", or one case of it.
  const char* reason;  // A sentence.
};

enum class Exceptions {
  kLeaveRun,   // Run() lets it through and can be called again.
  kTerminate,  // There are C frames in between: the program ends, saying why.
};

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_HARNESS_H_
