// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/sendable.h
//
// Sendable<T> says that a T may be moved to another thread without taking a
// piece of its loop along. Everything that a worker is given, and everything
// that it returns, must be Sendable.
//
//   struct Job {                     // Sendable: every field is
//     std::string path;
//     std::vector<int> pages;
//   };
//   static_assert(qio::Sendable<Job>);
//   static_assert(!qio::Sendable<std::string_view>);
//
// What is not known to be safe is refused. Sendable are: arithmetic types and
// enums; strings; the standard containers, optional, variant, tuple and pair of
// Sendables (with std::allocator, and with a comparison or hash that has no
// state); unique_ptr<T> to a Sendable; shared_ptr<const T> to one; Status and
// StatusOr; error_code; chrono types; and aggregates of up to 8 Sendable
// fields. Not: pointers, references, views, pmr containers, std::function, or
// any other class, unless
//
//   class Parser {
//    public:
//     using qio_sendable = Parser;   // the class says so, with one public line
//   };                               // (which a derived class must repeat), or
//   AssumeSendable(x)                // the caller says so, for one value.
//
// Search for these two to find every place where a person, and not the
// compiler, vouches. A class that opts in says that it may be moved to another
// thread, and that its const functions may be called from several at once. What
// belongs to a loop says `using qio_sendable = void;`, and never may.
//
// What this cannot see: a `mutable` field behind a shared_ptr<const T>; a
// custom deleter inside a shared_ptr; a comparison that reads a global.

#ifndef QIO_SENDABLE_H_
#define QIO_SENDABLE_H_

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "qio/config.h"
#include "qio/internal/type_name.h"
#include "qio/status.h"

namespace qio::inline QIO_ABI {

namespace internal_sendable {

// Why a type is refused.
enum class Reason {
  kNone,  // It is Sendable.
  kPointer,
  kReference,
  kView,
  kSharedMutable,
  kLoopBound,  // Its class says so.
  kIrregular,  // An aggregate with a base, a C array or a union.
  kTooManyFields,
  kRefusedField,
  kOpaque,  // Any other class: nothing is known about it.
};

template <class T>
constexpr Reason ReasonAgainst();

}  // namespace internal_sendable

// True if a T may be moved to another thread; asks for a complete T.
template <class T>
inline constexpr bool kSendable =
    internal_sendable::ReasonAgainst<T>() == internal_sendable::Reason::kNone;

template <class T>
concept Sendable = kSendable<T>;

// AssumedSendable<T>
//
// A value for whose sendability the caller vouched; only AssumeSendable() makes
// one. It turns into the T by itself where a T, a T&& or a const T& is expected
// (so a worker just declares the parameter as a T), and `std::move(x).value()`
// takes the T out where the type is deduced:
//
//   RunInThread(on, [](Decoder* d) { return d->Run(); }, AssumeSendable(d))
//
// Affinity:  any thread, one at a time.
template <class T>
class AssumedSendable {
 public:
  using qio_sendable = AssumedSendable;

  T& value() & noexcept { return value_; }
  const T& value() const& noexcept { return value_; }
  T&& value() && noexcept { return std::move(value_); }

  // Implicit, so that a worker needs no word of it.
  operator T&&() && noexcept { return std::move(value_); }

 private:
  template <class U>
  friend AssumedSendable<std::decay_t<U>> AssumeSendable(U&& value);

  template <class U>
  explicit AssumedSendable(std::in_place_t, U&& value)
      : value_(std::forward<U>(value)) {}

  T value_;
};

// AssumeSendable()
//
// Sends `value` although its type is not Sendable. The caller promises that no
// two threads touch at once whatever it reaches.
template <class U>
AssumedSendable<std::decay_t<U>> AssumeSendable(U&& value) {
  return AssumedSendable<std::decay_t<U>>(std::in_place,
                                          std::forward<U>(value));
}

// ---------------------------------------------------------------------------
// Types known by name.

namespace internal_sendable {

// A type is Sendable if all its parts are.
template <class... Part>
struct MadeOf {
  using Parts = MadeOf;
};

// The part behind a unique_ptr, which `const` does not reach.
template <class T>
struct MadeOfPointee {
  using Parts = MadeOfPointee;
};

// The part that several threads may look at, at the same time.
template <class T>
struct MadeOfShared {
  using Parts = MadeOfShared;
};

// The name of a class template of the standard library, without the inline
// namespace that it may be in; "" of any other. What is known by name is known
// without its header: <map> and its like would be half of what this includes.
// A compiler that spells it in another way knows fewer containers, never more.
template <template <class...> class C>
consteval std::string_view NameInStd() {
  std::string_view name =
      internal_type_name::TypeIn(internal_type_name::Spelled<C>());
  if (!name.starts_with("std::")) return "";
  do {
    name.remove_prefix(name.find("::") + 2);
  } while (name.starts_with("__") && name.find("::") != name.npos);
  return name;
}

template <template <class...> class C>
consteval bool IsAnyInStd(std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (NameInStd<C>() == name) return true;
  }
  return false;
}

// Their parts are their arguments.
template <template <class...> class C>
concept StdProductOrSum =
    IsAnyInStd<C>({"optional", "pair", "tuple", "variant"});

// Their parts are their elements.
template <template <class...> class C>
concept StdContainer = IsAnyInStd<C>(
    {"deque", "forward_list", "list", "map", "multimap", "multiset", "set",
     "unordered_map", "unordered_multimap", "unordered_multiset",
     "unordered_set", "vector"});

// With std::allocator, since a memory resource may belong to the loop; and with
// a comparison or hash in which nothing could.
template <class C>
concept Stateless =
    std::same_as<typename C::allocator_type,
                 std::allocator<typename C::value_type>> &&
    (!requires { typename C::key_compare; } ||
     requires { requires std::is_empty_v<typename C::key_compare>; }) &&
    (!requires { typename C::hasher; } || requires {
      requires std::is_empty_v<typename C::hasher>;
      requires std::is_empty_v<typename C::key_equal>;
    });

}  // namespace internal_sendable

// SendableTrait<T>::Parts lists the parts of a class that cannot be changed to
// opt in. Nothing is known of the general T.
template <class T>
struct SendableTrait {};

template <class C>
struct SendableTrait<std::basic_string<C>> : internal_sendable::MadeOf<C> {};
template <>
struct SendableTrait<std::error_code> : internal_sendable::MadeOf<> {};
template <class Rep, class Period>
struct SendableTrait<std::chrono::duration<Rep, Period>>
    : internal_sendable::MadeOf<Rep> {};
template <class Clock, class Duration>
struct SendableTrait<std::chrono::time_point<Clock, Duration>>
    : internal_sendable::MadeOf<Duration> {};
template <>
struct SendableTrait<absl::Status> : internal_sendable::MadeOf<> {};
template <>
struct SendableTrait<Status> : internal_sendable::MadeOf<> {};
template <class T>
struct SendableTrait<absl::StatusOr<T>> : internal_sendable::MadeOf<T> {};

template <template <class...> class C, class... T>
  requires internal_sendable::StdProductOrSum<C>
struct SendableTrait<C<T...>> : internal_sendable::MadeOf<T...> {};
template <template <class...> class C, class... A>
  requires(internal_sendable::StdContainer<C> &&
           internal_sendable::Stateless<C<A...>>)
struct SendableTrait<C<A...>>
    : internal_sendable::MadeOf<typename C<A...>::value_type> {};
template <class T, std::size_t n>
struct SendableTrait<std::array<T, n>> : internal_sendable::MadeOf<T> {};

// Only with the default deleter: another may do anything on the worker.
template <class T>
struct SendableTrait<std::unique_ptr<T>> : internal_sendable::MadeOfPointee<T> {
};
template <class T>
struct SendableTrait<std::shared_ptr<const T>>
    : internal_sendable::MadeOfShared<std::remove_extent_t<T>> {};

namespace internal_sendable {

// ---------------------------------------------------------------------------
// Aggregates: how many fields, and of which types.

inline constexpr std::size_t kFieldsMax = 8;

// Tells "too many fields" from "cannot be counted" up to here.
inline constexpr std::size_t kFieldsCounted = 2 * kFieldsMax;

// What a field of `Aggregate` may be: not a base of it, nor a union, since an
// anonymous one cannot be told from a named one (which may opt in).
template <class U, class Aggregate>
concept Field = !std::is_base_of_v<U, Aggregate> &&
                (!std::is_union_v<U> || requires { typename U::qio_sendable; });

// Initialises any field; the index only makes a pack of them. The value is made
// in place, so that a field that cannot be moved is counted as well.
template <class Aggregate, std::size_t>
struct AnyField {
  template <Field<Aggregate> U>
  operator U&() const&;
  template <Field<Aggregate> U>
  operator U() const&&;
};

struct Unrelated {};

// The first field is initialised from anything whatsoever, and then the fields
// cannot be told from bases.
template <class T>
concept Greedy = requires { T(Unrelated()); };

// In parentheses an initialiser is never spread over the elements of an array
// or of a base, as it is in braces: each stands for one field.
template <class T, std::size_t... i>
constexpr bool TakesFields(std::index_sequence<i...>) {
  return requires { T(AnyField<T, i>()...); };
}

// There is something behind these fields which could not be initialised so.
template <class T, std::size_t... i>
constexpr bool HidesMore(std::index_sequence<i...>) {
  return requires { T{AnyField<T, i>()..., {}}; };
}

inline constexpr std::size_t kUncountable = static_cast<std::size_t>(-1);

// The most initialisers that T takes. Counted downwards: with fewer, a field
// that has no default constructor is left without its initialiser.
template <class T, std::size_t n = kFieldsCounted>
constexpr std::size_t CountFields() {
  if constexpr (TakesFields<T>(std::make_index_sequence<n>())) {
    return n;
  } else if constexpr (n > 0) {
    return CountFields<T, n - 1>();
  } else {
    return kUncountable;
  }
}

template <std::size_t n>
using Count = std::integral_constant<std::size_t, n>;

// The fields' types, as declared: a reference stays a reference. Never called.
// A count that is wrong is a compile error here, never a wrong answer; only
// that of none must be checked before.
template <class T>
MadeOf<> FieldsOf(T&, Count<0>) {
  static_assert(std::is_empty_v<T>);
  return {};
}
template <class T>
auto FieldsOf(T& t, Count<1>) {
  [[maybe_unused]] auto& [a] = t;
  return MadeOf<decltype(a)>();
}
template <class T>
auto FieldsOf(T& t, Count<2>) {
  [[maybe_unused]] auto& [a, b] = t;
  return MadeOf<decltype(a), decltype(b)>();
}
template <class T>
auto FieldsOf(T& t, Count<3>) {
  [[maybe_unused]] auto& [a, b, c] = t;
  return MadeOf<decltype(a), decltype(b), decltype(c)>();
}
template <class T>
auto FieldsOf(T& t, Count<4>) {
  [[maybe_unused]] auto& [a, b, c, d] = t;
  return MadeOf<decltype(a), decltype(b), decltype(c), decltype(d)>();
}
template <class T>
auto FieldsOf(T& t, Count<5>) {
  [[maybe_unused]] auto& [a, b, c, d, e] = t;
  return MadeOf<decltype(a), decltype(b), decltype(c), decltype(d),
                decltype(e)>();
}
template <class T>
auto FieldsOf(T& t, Count<6>) {
  [[maybe_unused]] auto& [a, b, c, d, e, f] = t;
  return MadeOf<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e),
                decltype(f)>();
}
template <class T>
auto FieldsOf(T& t, Count<7>) {
  [[maybe_unused]] auto& [a, b, c, d, e, f, g] = t;
  return MadeOf<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e),
                decltype(f), decltype(g)>();
}
template <class T>
auto FieldsOf(T& t, Count<8>) {
  [[maybe_unused]] auto& [a, b, c, d, e, f, g, h] = t;
  return MadeOf<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e),
                decltype(f), decltype(g), decltype(h)>();
}

template <class T>
using Fields =
    decltype(FieldsOf(std::declval<T&>(), Count<CountFields<T>()>()));

// ---------------------------------------------------------------------------
// The verdict.

// These three only choose the sentence; what they describe is refused anyway.
template <class T>
concept LooksLikeSpan = std::is_trivially_copyable_v<T> && requires(T t) {
  requires std::is_pointer_v<decltype(t.data())>;
  t.size();
};
template <class T>
concept LooksLikeReference = std::is_trivially_copyable_v<T> && requires(T t) {
  { t.get() } -> std::same_as<typename T::type&>;
};
template <class T>
inline constexpr bool kSharedOwner = false;
template <class T>
inline constexpr bool kSharedOwner<std::shared_ptr<T>> = true;
template <class T>
inline constexpr bool kSharedOwner<std::weak_ptr<T>> = true;

// Would make structured bindings ask std::get instead of the fields.
template <class T>
concept TupleLike = requires { std::tuple_size<T>::value; };

template <class T>
concept Complete = requires { sizeof(T); };

// Judges a type and its parts. Within `Seen...`, whose parts are being judged,
// the same type again adds nothing: so a tree of itself is Sendable if
// everything else in it is. `kShared`: several threads look at it at once.
template <bool kShared, class... Seen>
struct Judge {
  template <class Qualified>
  static constexpr Reason Of() {
    using T = std::remove_cv_t<Qualified>;
    if constexpr ((std::is_same_v<T, Seen> || ...)) {
      return Reason::kNone;
    } else if constexpr (std::is_reference_v<T>) {
      return Reason::kReference;
    } else if constexpr (std::is_pointer_v<T> || std::is_member_pointer_v<T> ||
                         std::is_function_v<T>) {
      return Reason::kPointer;
    } else if constexpr (std::is_array_v<T>) {
      return Reason::kIrregular;
    } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T> ||
                         std::is_null_pointer_v<T>) {
      return Reason::kNone;
    } else if constexpr (requires { typename SendableTrait<T>::Parts; }) {
      using Inner = Judge<kShared, Seen..., T>;
      return Inner::OfParts(typename SendableTrait<T>::Parts());
    } else if constexpr (kSharedOwner<T>) {
      return Reason::kSharedMutable;
    } else if constexpr (!Complete<T>) {
      return Reason::kOpaque;
    } else if constexpr (requires { typename T::qio_sendable; }) {
      using Said = typename T::qio_sendable;
      if constexpr (std::is_void_v<Said>) {
        return Reason::kLoopBound;
      } else {
        // Inherited, it names the base, and says nothing about T.
        return std::is_same_v<Said, T> ? Reason::kNone : Reason::kOpaque;
      }
    } else if constexpr (std::is_aggregate_v<T> && !std::is_union_v<T> &&
                         !TupleLike<T>) {
      return OfAggregate<T>();
    } else if constexpr (LooksLikeSpan<T> || LooksLikeReference<T>) {
      return Reason::kView;
    } else {
      return Reason::kOpaque;
    }
  }

  template <class... Part>
  static constexpr Reason OfParts(MadeOf<Part...>) {
    Reason first = Reason::kNone;
    (void)((first = Of<Part>(), first != Reason::kNone) || ...);
    return first;
  }

  template <class T>
  static constexpr Reason OfParts(MadeOfPointee<T>) {
    if constexpr (kShared && !std::is_const_v<T>) {
      return Reason::kSharedMutable;
    } else {
      return Of<std::remove_extent_t<T>>();
    }
  }

  // Anew, since what was seen so far was not judged as shared.
  template <class T>
  static constexpr Reason OfParts(MadeOfShared<T>) {
    if constexpr (kShared) {
      return Of<T>();
    } else {
      return Judge<true>::template Of<T>();
    }
  }

  template <class T>
  static constexpr Reason OfAggregate() {
    constexpr std::size_t count = CountFields<T>();
    if constexpr (Greedy<T>) {
      return Reason::kOpaque;
    } else if constexpr (count == kUncountable ||
                         (count == 0 && !std::is_empty_v<T>)) {
      return Reason::kIrregular;
    } else if constexpr (count > kFieldsMax) {
      return Reason::kTooManyFields;
    } else if constexpr (HidesMore<T>(std::make_index_sequence<count>())) {
      return Reason::kIrregular;
    } else {
      using Inner = Judge<kShared, Seen..., T>;
      return Inner::OfParts(Fields<T>()) == Reason::kNone
                 ? Reason::kNone
                 : Reason::kRefusedField;
    }
  }
};

template <class T>
constexpr Reason ReasonAgainst() {
  return Judge</*kShared=*/false>::template Of<T>();
}

// ---------------------------------------------------------------------------
// The diagnostics: one sentence, the one that fits.

// Explains, in its first error, why a T may not cross threads.
template <class T>
struct RequireSendable {
  static constexpr Reason kReason = ReasonAgainst<T>();

  static_assert(kReason != Reason::kPointer,
                "qio: a pointer may not cross threads; move the value itself, "
                "or a std::unique_ptr to it (for a literal: std::string)");
  static_assert(kReason != Reason::kReference,
                "qio: a reference may not cross threads; move the value");
  static_assert(kReason != Reason::kView,
                "qio: a view (string_view, span, reference_wrapper) may not "
                "cross threads; move what it refers to");
  static_assert(kReason != Reason::kSharedMutable,
                "qio: a shared_ptr to what can change may not cross threads; "
                "share immutable data as shared_ptr<const T>");
  static_assert(kReason != Reason::kLoopBound,
                "qio: what belongs to a loop may not cross threads; send a "
                "LoopRef to it, or what a Completer's ToSendable() makes");
  static_assert(kReason != Reason::kIrregular,
                "qio: an aggregate with a base class, a C array or a union "
                "cannot be looked into; flatten it, use std::array or "
                "std::variant, or opt in with `using qio_sendable = Type;`");
  static_assert(kReason != Reason::kTooManyFields,
                "qio: an aggregate with more than 8 fields cannot be looked "
                "into; group them, or opt in with `using qio_sendable = "
                "Type;`");
  static_assert(kReason != Reason::kRefusedField,
                "qio: an aggregate hides a field that may not cross threads; "
                "make every field Sendable, or opt in with `using "
                "qio_sendable = Type;`");
  static_assert(kReason != Reason::kOpaque,
                "qio: a class may not cross threads unless it says so; opt in "
                "with `using qio_sendable = Type;` or AssumeSendable(x)");
  static_assert(kReason != Reason::kNone || std::move_constructible<T>,
                "qio: what crosses threads is moved; give it a move "
                "constructor");

  static constexpr bool kOk = true;
};

// static_assert(RequireSendableArgument<A>::kOk), for each argument of a worker
// as it is stored (decayed).
template <class A>
struct RequireSendableArgument : RequireSendable<A> {};

// The same for the result of a worker; void is a fine one.
template <class R>
struct RequireSendableResult : RequireSendable<R> {};
template <class R>
  requires std::is_void_v<R>
struct RequireSendableResult<R> {
  static constexpr bool kOk = true;
};

}  // namespace internal_sendable

}  // namespace qio::inline QIO_ABI

#endif  // QIO_SENDABLE_H_
