// SPDX-License-Identifier: BSD-3-Clause
// Status says whether an operation succeeded, and if not, why, in words for the operator.
// Result<T> is a T or the Status that explains its absence.
//
// Absence of a key is not an error: lookups answer it in their value. kNotFound is for things that
// were named by the caller and must exist (a file, a tree).
//
// Thread safety: values; concurrent const use is safe. An OK Status is one null pointer.

#pragma once

#include <cassert>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace lsm {

class [[nodiscard]] Status {
 public:
  enum class Code {
    kOk,
    kNotFound,         // a named file or tree does not exist
    kCorruption,       // stored bytes are not what was written; the message names file and offset
    kInvalidArgument,  // the caller asked for something that can never work
    kIoError,          // the system refused a call; the message has the call, path and errno text
    kNoSpace,          // kIoError for ENOSPC and EDQUOT: goes away when space is freed
    kBusy,             // not now: a lock is held or writes are stopped; try again later
    kAborted,          // the database is closing
    kWouldBlock,       // only the disk knows, and the caller asked not to wait for it
  };

  Status() = default;  // OK
  Status(const Status& other) : rep_(other.rep_ ? std::make_unique<Rep>(*other.rep_) : nullptr) {}
  Status& operator=(const Status& other) {
    if (this != &other) rep_ = other.rep_ ? std::make_unique<Rep>(*other.rep_) : nullptr;
    return *this;
  }
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;
  ~Status() = default;

  static Status Ok() { return {}; }
  static Status NotFound(std::string message) { return {Code::kNotFound, std::move(message)}; }
  static Status Corruption(std::string message) { return {Code::kCorruption, std::move(message)}; }
  static Status InvalidArgument(std::string message) {
    return {Code::kInvalidArgument, std::move(message)};
  }
  static Status IoError(std::string message) { return {Code::kIoError, std::move(message)}; }
  static Status NoSpace(std::string message) { return {Code::kNoSpace, std::move(message)}; }
  static Status Busy(std::string message) { return {Code::kBusy, std::move(message)}; }
  static Status WouldBlock(std::string message) { return {Code::kWouldBlock, std::move(message)}; }
  static Status Aborted(std::string message) { return {Code::kAborted, std::move(message)}; }

  bool ok() const { return rep_ == nullptr; }
  Code code() const { return rep_ ? rep_->code : Code::kOk; }
  bool IsNotFound() const { return code() == Code::kNotFound; }
  bool IsCorruption() const { return code() == Code::kCorruption; }
  bool IsInvalidArgument() const { return code() == Code::kInvalidArgument; }
  bool IsNoSpace() const { return code() == Code::kNoSpace; }
  bool IsIoError() const { return code() == Code::kIoError || IsNoSpace(); }
  bool IsBusy() const { return code() == Code::kBusy; }
  bool IsAborted() const { return code() == Code::kAborted; }
  bool IsWouldBlock() const { return code() == Code::kWouldBlock; }

  // The text without the kind, empty for OK.
  std::string_view message() const { return rep_ ? std::string_view(rep_->message) : ""; }
  // "Corruption: 000012.sst: block at offset 4096: checksum mismatch"; "OK" for OK.
  std::string ToString() const;

 private:
  struct Rep {
    Code code;
    std::string message;
  };
  Status(Code code, std::string message)
      : rep_(std::make_unique<Rep>(Rep{code, std::move(message)})) {}

  std::unique_ptr<Rep> rep_;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : rep_(std::in_place_index<0>, std::move(value)) {}        // NOLINT: implicit
  Result(Status status) : rep_(std::in_place_index<1>, std::move(status)) {  // NOLINT: implicit
    assert(!std::get<1>(rep_).ok());
  }

  bool ok() const { return rep_.index() == 0; }
  // OK when there is a value.
  Status status() const { return ok() ? Status() : std::get<1>(rep_); }

  // REQUIRES: ok()
  T& value() & {
    assert(ok());
    return *std::get_if<0>(&rep_);
  }
  const T& value() const& {
    assert(ok());
    return *std::get_if<0>(&rep_);
  }
  T&& value() && {
    assert(ok());
    return std::move(*std::get_if<0>(&rep_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> rep_;
};

}  // namespace lsm

// Leaves the enclosing function with the Status (or Result's Status) of `expr` unless it is OK.
#define RETURN_IF_ERROR(expr)                                          \
  do {                                                                 \
    if (::lsm::Status status_of_expr = (expr); !status_of_expr.ok()) { \
      return status_of_expr;                                           \
    }                                                                  \
  } while (false)
