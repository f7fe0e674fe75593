// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/status.h"

namespace lsm {
namespace {

std::string_view Name(Status::Code code) {
  switch (code) {
    case Status::Code::kOk:
      return "OK";
    case Status::Code::kNotFound:
      return "Not found";
    case Status::Code::kCorruption:
      return "Corruption";
    case Status::Code::kInvalidArgument:
      return "Invalid argument";
    case Status::Code::kIoError:
      return "IO error";
    case Status::Code::kNoSpace:
      return "No space";
    case Status::Code::kBusy:
      return "Busy";
    case Status::Code::kAborted:
      return "Aborted";
    case Status::Code::kWouldBlock:
      return "Would block";
  }
  return "Unknown";
}

}  // namespace

std::string Status::ToString() const {
  std::string text(Name(code()));
  if (!ok()) {
    text += ": ";
    text += rep_->message;
  }
  return text;
}

}  // namespace lsm
