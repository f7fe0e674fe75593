// SPDX-License-Identifier: BSD-3-Clause
// What both directions of the Redis serialization protocol share.
// Source: the RESP2 and RESP3 specifications, and the limits of Redis 7.2.

#pragma once

#include <cstddef>

namespace resp {

enum class Version { kResp2 = 2, kResp3 = 3 };

// Limits on what a client may announce. Memory grows with bytes received, never with bytes
// announced.
struct Limits {
  size_t max_bulk_length = size_t{512} * 1024 * 1024;  // proto-max-bulk-len
  size_t max_multibulk_count = 1024 * 1024;
  size_t max_line_length = size_t{64} * 1024;  // of an inline request and of a length
  // False until the client has said who it is, where it must: then the two limits below hold too.
  bool authenticated = true;
};

inline constexpr size_t kUnauthenticatedBulkLength = 16 * 1024;
inline constexpr size_t kUnauthenticatedMultibulkCount = 10;

// Before a client has authenticated.
inline constexpr Limits kUnauthenticatedLimits{.authenticated = false};

}  // namespace resp
