// SPDX-License-Identifier: BSD-3-Clause
// The text of INFO: sections under Redis's headings with Redis's field names, and one about the
// engine. A field is measured or left out.
//
// Thread safety: none; belongs to the loop.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/db.h"
#include "lsm/status.h"
#include "redis-compat/command.h"
#include "redis-compat/latency.h"
#include "redis-compat/statistics.h"

namespace redis {

// `sections` as they were sent: names in any case, also "default", "all" and "everything"; none
// means "default". Unknown names are skipped.
lsm::Result<std::string> BuildInfo(CommandContext& context,
                                   const std::vector<std::string_view>& sections);

// "64.00M", as Redis prints sizes for people.
std::string HumanSize(uint64_t bytes);

// The sections that need nothing but figures.
void AppendCommandStats(const Statistics& statistics, std::string* out);
void AppendErrorStats(const Statistics& statistics, std::string* out);
// `percentiles` as latency-tracking-info-percentiles says them.
void AppendLatencyStats(const CommandLatencies& latencies, std::string_view percentiles,
                        std::string* out);
void AppendEngineStats(const lsm::DbStats& stats, const lsm::WriteStall& stall, std::string* out);

}  // namespace redis
