// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#include "qio/sendable.h"

#include <any>
#include <array>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <deque>
#include <forward_list>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"

namespace qio {
namespace {

using internal_sendable::Reason;
using internal_sendable::ReasonAgainst;

// What may cross threads -----------------------------------------------------

enum class Colour { kRed };
struct Empty {};
struct Text {
  int x;
  std::string s;
};
struct Nested {
  Text text;
  std::vector<Text> texts;
  std::optional<std::string> maybe;
};
struct MoveOnly {
  std::unique_ptr<Text> text;
};
struct BitFields {
  unsigned a : 3;
  unsigned b : 5;
};
struct StdArray {
  std::array<int, 3> a;
  int b;
};
// An owner, though it can be looked at like a span.
struct Buffer {
  std::array<char, 64> bytes;
  std::size_t used;
  char* data() { return bytes.data(); }
  std::size_t size() const { return used; }
};
struct ConstFields {
  const std::string s;
  const int i;
};
struct DefaultInitialisers {
  int a = 1;
  std::string b = "x";
};
struct WithEmptyField {
  [[no_unique_address]] Empty e;
  int x;
};
struct EightFields {
  std::unique_ptr<int> a;
  std::optional<std::string> b;
  std::variant<int, std::string> c;
  std::tuple<int, Text> d;
  std::map<int, Text> e;
  absl::StatusOr<int> f;
  absl::Status g;
  std::chrono::seconds h;
};
struct Tree {
  std::string name;
  std::vector<Tree> children;
};
struct SharedList {
  int value;
  std::shared_ptr<const SharedList> next;
};

class OptedIn {
 public:
  using qio_sendable = OptedIn;
  explicit OptedIn(int) {}

 private:
  [[maybe_unused]] int* p_ = nullptr;
};
struct WithOptedIn {
  OptedIn opted_in;
  int x;
};
struct ExplicitCopy {
  using qio_sendable = ExplicitCopy;
  explicit ExplicitCopy(int) {}
  explicit ExplicitCopy(const ExplicitCopy&) {}
};
struct WithExplicitCopy {
  ExplicitCopy e;
  int x;
};
// Moving it is deleted, copying is not: this has crashed a compiler.
struct OnlyCopied {
  using qio_sendable = OnlyCopied;
  OnlyCopied(const OnlyCopied&) {}
  OnlyCopied(OnlyCopied&&) = delete;
};
struct WithOnlyCopied {
  OnlyCopied c;
  int x;
};
union OptedInUnion {
  using qio_sendable = OptedInUnion;
  int i;
  float f;
};
struct WithOptedInUnion {
  OptedInUnion u;
  int tag;
};

// What may not ---------------------------------------------------------------

struct WithPointer {
  int x;
  const char* p;
};
struct WithPointerDeep {
  Text text;
  WithPointer p;
};
struct WithView {
  std::string_view v;
};
struct WithReference {
  int& r;
};
struct WithConstReference {
  int x;
  const std::string& r;
};
struct WithRvalueReference {
  std::string&& r;
};
struct WithFunctionPointer {
  void (*f)();
};
struct WithFunction {
  int x;
  std::function<void()> f;
};
struct WithAny {
  std::any a;
};
struct WithPointerInArray {
  int x;
  std::array<int*, 3> a;
};
struct PointerIsLast {
  int a;
  int b;
  OptedIn c;
  int* d = nullptr;
};
struct CArray {
  int a[4];
  std::string s;
};
struct CArrayOfOne {
  int a[1];
};
struct CArrayOfPointers {
  char* a[2];
};
struct CArrayIsLast {
  std::string s;
  char a[16];
};
class ExplicitDefault {
 public:
  explicit ExplicitDefault() {}
  explicit ExplicitDefault(const ExplicitDefault&) {}

 private:
  [[maybe_unused]] int* p_ = nullptr;
};
struct CArrayOfExplicitDefaults {
  ExplicitDefault a[3];
};
struct PointerInBase {
  int* p;
};
struct HasBaseWithData : PointerInBase {
  int y;
};
struct IntInBase {
  int q;
};
struct AddsNothingToBase : IntInBase {};
struct HasEmptyBase : Empty {
  std::string s;
};
struct EmptyWithEmptyBase : Empty {};
struct AnonymousUnion {
  int tag;
  union {
    int i;
    char* p;
  };
};
union PlainUnion {
  int i;
  char* p;
};
struct WithUnion {
  PlainUnion u;
};
struct NineFields {
  int a, b, c, d, e, f, g, h, i;
};
struct NineStrings {
  std::string a, b, c, d, e, f, g, h, i;
};
class PlainClass {
 public:
  explicit PlainClass(int) {}

 private:
  [[maybe_unused]] int* p_ = nullptr;
};
class Pimpl {
 public:
  class Hidden;
  std::unique_ptr<Hidden> hidden;
};
struct InheritsOptIn : OptedIn {
  int* q;
};
class OptsInPrivately {
  using qio_sendable = OptsInPrivately;
  [[maybe_unused]] int x_ = 0;
};
struct OptedOut {
  using qio_sendable = void;
  int x;
};
// Its first field takes whatever it is given, so fields cannot be counted.
struct TakesAnything {
  using qio_sendable = TakesAnything;
  template <class T>
  TakesAnything(T&&) {}
};
struct FirstTakesAnything {
  TakesAnything t;
  int x;
};
struct GreedyBase {
  template <class T>
  GreedyBase(T&&) {}
  int* p = nullptr;
};
struct HasGreedyBase : GreedyBase {
  int x;
};
struct Pinned {
  using qio_sendable = Pinned;
  Pinned(Pinned&&) = delete;
};
struct LooksLikeAVector {
  using value_type = int;
  using allocator_type = std::allocator<int>;
  LooksLikeAVector() = default;
  const int* begin() const { return p_; }
  const int* end() const { return p_; }

 private:
  const int* p_ = nullptr;
};
template <class T, class A = std::allocator<T>>
class NamedLikeAVector {
 public:
  NamedLikeAVector() = default;

 private:
  [[maybe_unused]] T* p_ = nullptr;
};
namespace names_of {
namespace std {
template <class T>
class list {
 public:
  using value_type = T;
  using allocator_type = ::std::allocator<T>;
  list() = default;

 private:
  [[maybe_unused]] T* p_ = nullptr;
};
}  // namespace std
}  // namespace names_of
struct SharesAUniquePtr {
  std::unique_ptr<int> p;
};
struct SharesItself {
  std::unique_ptr<int> p;
  std::shared_ptr<const SharesItself> next;
};
struct LessWithState {
  using is_transparent = void;
  const int* order;
  bool operator()(int a, int b) const { return order[a] < order[b]; }
};
struct HashWithState {
  std::size_t seed;
  std::size_t operator()(int i) const { return seed + i; }
};
struct DeleterWithLoop {
  void operator()(int* p) const { delete p; }
};
// Structured bindings would look at std::get here, which hides the pointer.
struct PretendsToBeATuple {
  int* p;
};

}  // namespace
}  // namespace qio

template <>
struct std::tuple_size<qio::PretendsToBeATuple>
    : std::integral_constant<std::size_t, 1> {};
template <>
struct std::tuple_element<0, qio::PretendsToBeATuple> {
  using type = int;
};

namespace qio {
namespace {

BOOST_AUTO_TEST_SUITE(SendableTest)

BOOST_AUTO_TEST_CASE(ValuesAreSendable) {
  static_assert(Sendable<int>);
  static_assert(Sendable<const int>);
  static_assert(Sendable<bool>);
  static_assert(Sendable<double>);
  static_assert(Sendable<std::byte>);
  static_assert(Sendable<Colour>);
  static_assert(Sendable<std::nullptr_t>);
  static_assert(Sendable<std::string>);
  static_assert(Sendable<std::wstring>);
  static_assert(Sendable<std::u8string>);
  static_assert(Sendable<std::monostate>);
  static_assert(Sendable<std::error_code>);
  static_assert(Sendable<std::chrono::milliseconds>);
  static_assert(Sendable<std::chrono::steady_clock::time_point>);
  static_assert(Sendable<std::chrono::sys_days>);
  static_assert(Sendable<absl::Status>);
  static_assert(Sendable<absl::StatusOr<std::string>>);
}

BOOST_AUTO_TEST_CASE(ContainersOfSendablesAreSendable) {
  static_assert(Sendable<std::vector<std::vector<std::string>>>);
  static_assert(Sendable<std::vector<bool>>);
  static_assert(Sendable<std::deque<int>>);
  static_assert(Sendable<std::list<int>>);
  static_assert(Sendable<std::forward_list<int>>);
  static_assert(Sendable<std::array<std::string, 3>>);
  static_assert(Sendable<std::array<int, 0>>);
  static_assert(Sendable<std::set<std::string>>);
  static_assert(Sendable<std::set<std::string, std::less<>>>);
  static_assert(Sendable<std::multiset<int, std::greater<int>>>);
  static_assert(Sendable<std::map<std::string, Text>>);
  static_assert(Sendable<std::multimap<int, int>>);
  static_assert(Sendable<std::unordered_set<std::string>>);
  static_assert(Sendable<std::unordered_multiset<int>>);
  static_assert(Sendable<std::unordered_map<std::string, Text>>);
  static_assert(Sendable<std::unordered_multimap<int, int>>);
  static_assert(Sendable<std::optional<Text>>);
  static_assert(Sendable<std::variant<std::monostate, int, Text>>);
  static_assert(Sendable<std::tuple<>>);
  static_assert(Sendable<std::tuple<int, std::string>>);
  static_assert(Sendable<std::pair<const int, std::string>>);
}

BOOST_AUTO_TEST_CASE(OwnersOfSendablesAreSendable) {
  static_assert(Sendable<std::unique_ptr<Text>>);
  static_assert(Sendable<std::unique_ptr<const Text>>);
  static_assert(Sendable<std::unique_ptr<char[]>>);
  static_assert(Sendable<std::shared_ptr<const Text>>);
  static_assert(Sendable<std::shared_ptr<const int[]>>);
  static_assert(Sendable<std::shared_ptr<const std::vector<std::string>>>);
  static_assert(
      Sendable<std::shared_ptr<const std::unique_ptr<const std::string>>>);
}

BOOST_AUTO_TEST_CASE(AggregatesOfUpToEightSendablesAreSendable) {
  static_assert(Sendable<Empty>);
  static_assert(Sendable<Text>);
  static_assert(Sendable<const Text>);
  static_assert(Sendable<Nested>);
  static_assert(Sendable<MoveOnly>);
  static_assert(Sendable<BitFields>);
  static_assert(Sendable<StdArray>);
  static_assert(Sendable<Buffer>);
  static_assert(Sendable<ConstFields>);
  static_assert(Sendable<DefaultInitialisers>);
  static_assert(Sendable<WithEmptyField>);
  static_assert(Sendable<EightFields>);
}

BOOST_AUTO_TEST_CASE(TypesThatContainThemselvesAreSendable) {
  static_assert(Sendable<Tree>);
  static_assert(Sendable<SharedList>);
}

BOOST_AUTO_TEST_CASE(OptingInTakesOneLineAndIsNotInherited) {
  static_assert(Sendable<OptedIn>);
  static_assert(Sendable<WithOptedIn>);
  static_assert(Sendable<WithExplicitCopy>);
  static_assert(Sendable<WithOnlyCopied>);
  static_assert(Sendable<WithOptedInUnion>);
  static_assert(!Sendable<InheritsOptIn>);
  static_assert(!Sendable<OptsInPrivately>);
  static_assert(!Sendable<OptedOut>);
}

BOOST_AUTO_TEST_CASE(Cf02_PointersAndReferencesAreRefused) {
  static_assert(ReasonAgainst<int*>() == Reason::kPointer);
  static_assert(ReasonAgainst<const char*>() == Reason::kPointer);
  static_assert(ReasonAgainst<int* const>() == Reason::kPointer);
  static_assert(ReasonAgainst<void (*)()>() == Reason::kPointer);
  static_assert(ReasonAgainst<int Text::*>() == Reason::kPointer);
  static_assert(ReasonAgainst<std::vector<int*>>() == Reason::kPointer);
  static_assert(ReasonAgainst<std::map<int, char*>>() == Reason::kPointer);
  static_assert(ReasonAgainst<std::unique_ptr<int*>>() == Reason::kPointer);
  static_assert(ReasonAgainst<std::unique_ptr<int*[]>>() == Reason::kPointer);
  static_assert(ReasonAgainst<int&>() == Reason::kReference);
  static_assert(ReasonAgainst<std::string&&>() == Reason::kReference);
  static_assert(ReasonAgainst<std::tuple<int&>>() == Reason::kReference);
  static_assert(ReasonAgainst<std::pair<int, int&>>() == Reason::kReference);
}

BOOST_AUTO_TEST_CASE(Cf02_ViewsAreRefused) {
  static_assert(ReasonAgainst<std::string_view>() == Reason::kView);
  static_assert(ReasonAgainst<absl::string_view>() == Reason::kView);
  static_assert(ReasonAgainst<std::span<int>>() == Reason::kView);
  static_assert(ReasonAgainst<std::span<const char, 4>>() == Reason::kView);
  static_assert(ReasonAgainst<std::reference_wrapper<int>>() == Reason::kView);
  static_assert(ReasonAgainst<std::optional<std::string_view>>() ==
                Reason::kView);
}

BOOST_AUTO_TEST_CASE(Cf03_AggregatesThatHideARefusedFieldAreRefused) {
  static_assert(ReasonAgainst<WithPointer>() == Reason::kRefusedField);
  static_assert(ReasonAgainst<WithPointerDeep>() == Reason::kRefusedField);
  static_assert(ReasonAgainst<PointerIsLast>() == Reason::kRefusedField);
  static_assert(ReasonAgainst<WithView>() == Reason::kRefusedField);
  static_assert(ReasonAgainst<WithReference>() == Reason::kRefusedField);
  static_assert(ReasonAgainst<WithConstReference>() == Reason::kRefusedField);
  static_assert(ReasonAgainst<WithRvalueReference>() == Reason::kRefusedField);
  static_assert(ReasonAgainst<WithFunctionPointer>() == Reason::kRefusedField);
  static_assert(ReasonAgainst<WithFunction>() == Reason::kRefusedField);
  static_assert(ReasonAgainst<WithPointerInArray>() == Reason::kRefusedField);
  static_assert(ReasonAgainst<Pimpl>() == Reason::kRefusedField);
  static_assert(ReasonAgainst<std::vector<WithPointer>>() ==
                Reason::kRefusedField);
}

BOOST_AUTO_TEST_CASE(AggregatesThatCannotBeLookedIntoAreRefused) {
  static_assert(ReasonAgainst<CArray>() == Reason::kIrregular);
  static_assert(ReasonAgainst<CArrayOfOne>() == Reason::kIrregular);
  static_assert(ReasonAgainst<CArrayOfPointers>() == Reason::kIrregular);
  static_assert(ReasonAgainst<CArrayIsLast>() == Reason::kIrregular);
  static_assert(ReasonAgainst<CArrayOfExplicitDefaults>() ==
                Reason::kIrregular);
  static_assert(ReasonAgainst<int[3]>() == Reason::kIrregular);
  static_assert(ReasonAgainst<HasBaseWithData>() == Reason::kIrregular);
  static_assert(ReasonAgainst<AddsNothingToBase>() == Reason::kIrregular);
  static_assert(ReasonAgainst<HasEmptyBase>() == Reason::kIrregular);
  static_assert(ReasonAgainst<EmptyWithEmptyBase>() == Reason::kIrregular);
  static_assert(ReasonAgainst<AnonymousUnion>() == Reason::kIrregular);
  static_assert(ReasonAgainst<WithUnion>() == Reason::kIrregular);
  static_assert(ReasonAgainst<NineFields>() == Reason::kTooManyFields);
  static_assert(ReasonAgainst<NineStrings>() == Reason::kTooManyFields);
  static_assert(ReasonAgainst<FirstTakesAnything>() == Reason::kOpaque);
  static_assert(ReasonAgainst<HasGreedyBase>() == Reason::kOpaque);
  static_assert(ReasonAgainst<WithAny>() == Reason::kOpaque);
  static_assert(ReasonAgainst<PretendsToBeATuple>() == Reason::kOpaque);
}

BOOST_AUTO_TEST_CASE(Cf29_SharedMutableStateIsRefused) {
  static_assert(ReasonAgainst<std::shared_ptr<int>>() ==
                Reason::kSharedMutable);
  static_assert(ReasonAgainst<std::weak_ptr<const int>>() ==
                Reason::kSharedMutable);
  static_assert(ReasonAgainst<std::vector<std::shared_ptr<Text>>>() ==
                Reason::kSharedMutable);
  static_assert(ReasonAgainst<std::shared_ptr<const std::shared_ptr<int>>>() ==
                Reason::kSharedMutable);
  static_assert(ReasonAgainst<std::shared_ptr<const char*>>() ==
                Reason::kSharedMutable);
  static_assert(ReasonAgainst<std::shared_ptr<const char* const>>() ==
                Reason::kPointer);
}

// `const` does not reach what a unique_ptr owns: two threads could change it.
BOOST_AUTO_TEST_CASE(Cf29_AUniquePtrInSharedStateIsRefused) {
  static_assert(ReasonAgainst<std::shared_ptr<const std::unique_ptr<int>>>() ==
                Reason::kSharedMutable);
  static_assert(!Sendable<std::shared_ptr<const SharesAUniquePtr>>);
  static_assert(Sendable<SharesAUniquePtr>);
  static_assert(!Sendable<SharesItself>);
}

BOOST_AUTO_TEST_CASE(ClassesNobodyVouchedForAreRefused) {
  static_assert(ReasonAgainst<PlainClass>() == Reason::kOpaque);
  static_assert(ReasonAgainst<PlainUnion>() == Reason::kOpaque);
  static_assert(ReasonAgainst<Pimpl::Hidden>() == Reason::kOpaque);
  static_assert(ReasonAgainst<LooksLikeAVector>() == Reason::kOpaque);
  static_assert(ReasonAgainst<NamedLikeAVector<int>>() == Reason::kOpaque);
  static_assert(ReasonAgainst<names_of::std::list<int>>() == Reason::kOpaque);
  static_assert(ReasonAgainst<std::function<void()>>() == Reason::kOpaque);
  static_assert(ReasonAgainst<std::any>() == Reason::kOpaque);
  static_assert(ReasonAgainst<std::atomic<int>>() == Reason::kOpaque);
  static_assert(ReasonAgainst<std::mutex>() == Reason::kOpaque);
  static_assert(ReasonAgainst<std::pmr::string>() == Reason::kOpaque);
  static_assert(ReasonAgainst<std::pmr::vector<int>>() == Reason::kOpaque);
  static_assert(ReasonAgainst<std::pmr::map<int, int>>() == Reason::kOpaque);
  static_assert(ReasonAgainst<std::set<int, LessWithState>>() ==
                Reason::kOpaque);
  static_assert(ReasonAgainst<std::set<int, bool (*)(int, int)>>() ==
                Reason::kOpaque);
  static_assert(ReasonAgainst<std::map<int, int>::iterator>() ==
                Reason::kOpaque);
  static_assert(ReasonAgainst<std::map<int, int>::node_type>() ==
                Reason::kOpaque);
  static_assert(ReasonAgainst<std::unordered_set<int, HashWithState>>() ==
                Reason::kOpaque);
  static_assert(ReasonAgainst<std::unique_ptr<int, DeleterWithLoop>>() ==
                Reason::kOpaque);
  static_assert(!Sendable<std::shared_ptr<const void>>);
  static_assert(!Sendable<void>);
  auto lambda = [p = static_cast<int*>(nullptr)] { return p; };
  static_assert(ReasonAgainst<decltype(lambda)>() == Reason::kOpaque);
  BOOST_TEST(lambda() == nullptr);
}

BOOST_AUTO_TEST_CASE(TheDiagnosticsLetSendablesPass) {
  using internal_sendable::RequireSendableArgument;
  using internal_sendable::RequireSendableResult;
  static_assert(RequireSendableArgument<Nested>::kOk);
  static_assert(RequireSendableArgument<std::unique_ptr<Text>>::kOk);
  static_assert(RequireSendableArgument<AssumedSendable<int*>>::kOk);
  static_assert(RequireSendableResult<std::string>::kOk);
  static_assert(RequireSendableResult<void>::kOk);
  static_assert(Sendable<Pinned>);  // The diagnostics ask for a move as well.
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(AssumeSendableTest)

// Calls a worker as its thread does: each argument is an rvalue.
template <class Worker, class Argument>
auto Call(Worker worker, Argument argument) {
  static_assert(Sendable<Argument>);
  return worker(std::move(argument));
}

BOOST_AUTO_TEST_CASE(WorkerReceivesThePlainValue) {
  int x = 7;
  BOOST_TEST(Call([](int* p) { return *p; }, AssumeSendable(&x)) == 7);
  BOOST_TEST(Call([](std::string_view v) { return v.size(); },
                  AssumeSendable(std::string_view("abc"))) == 3u);
  BOOST_TEST(Call([](const std::shared_ptr<int>& p) { return *p; },
                  AssumeSendable(std::make_shared<int>(5))) == 5);
}

BOOST_AUTO_TEST_CASE(MovesWhatCannotBeCopied) {
  auto pointer = std::make_unique<int*>(nullptr);
  int** const address = pointer.get();
  auto assumed = AssumeSendable(std::move(pointer));
  static_assert(!Sendable<std::unique_ptr<int*>>);
  BOOST_TEST(pointer == nullptr);
  auto keep = [](std::unique_ptr<int*> p) { return p; };
  BOOST_TEST(Call(keep, std::move(assumed)).get() == address);
}

BOOST_AUTO_TEST_CASE(CopiesAnLvalueAndDecaysIt) {
  std::string text = "abc";
  auto assumed = AssumeSendable(text);
  static_assert(
      std::is_same_v<decltype(assumed), AssumedSendable<std::string>>);
  BOOST_TEST(text == "abc");
  BOOST_TEST(assumed.value() == "abc");
  static_assert(std::is_same_v<decltype(AssumeSendable("abc")),
                               AssumedSendable<const char*>>);
}

BOOST_AUTO_TEST_CASE(ADeducedParameterTakesTheValueOut) {
  int x = 7;
  auto worker = [](auto p) { return *std::move(p).value(); };
  BOOST_TEST(Call(worker, AssumeSendable(&x)) == 7);
}

BOOST_AUTO_TEST_CASE(OnlyAssumeSendableMakesOne) {
  static_assert(!std::is_default_constructible_v<AssumedSendable<int*>>);
  static_assert(!std::is_constructible_v<AssumedSendable<int*>, int*>);
  static_assert(!std::is_convertible_v<int*, AssumedSendable<int*>>);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace qio
