// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/latency.h"

#include <cmath>

namespace redis {

uint64_t LatencyHistogram::Percentile(double percentile) const {
  if (total_ == 0) return 0;
  const double share = std::clamp(percentile, 0.0, 100.0) / 100;
  const double rank = std::floor(share * static_cast<double>(total_) + 0.5);
  const uint64_t wanted = std::max<uint64_t>(static_cast<uint64_t>(rank), 1);
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
    seen += counts_[bucket];
    if (seen >= wanted) return UpperEnd(bucket);
  }
  return UpperEnd(counts_.size() - 1);
}

std::vector<LatencyHistogram::Step> LatencyHistogram::Cumulative() const {
  // 1. A step takes every bucket up to the one that holds its limit, that one included.
  // 2. Its name is that bucket's upper end; of the last step, that of the buckets' last doubling.
  std::vector<Step> steps;
  uint64_t seen = 0;
  size_t next = 0;
  for (uint64_t limit = 1024; seen < total_; limit *= 2) {
    const size_t last = std::min(BucketOf(limit), counts_.size() - 1);
    const uint64_t before = seen;
    for (; next <= last; ++next) seen += counts_[next];
    const uint64_t end = UpperEnd(std::min(BucketOf(limit), kHalf * 24 - 1));
    if (seen > before) steps.push_back({end / 1000, seen});
  }
  return steps;
}

}  // namespace redis
