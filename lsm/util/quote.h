// SPDX-License-Identifier: BSD-3-Clause
// Bytes as text for people: dumps, messages.

#pragma once

#include <string>
#include <string_view>

namespace lsm {

// In double quotes; what is not printable ASCII, the quote and the backslash as \xNN. `bytes` can
// be told from the result.
std::string Quoted(std::string_view bytes);

}  // namespace lsm
