// SPDX-License-Identifier: BSD-3-Clause
// How long commands take: a histogram for each row of the command table.
//
// A histogram counts nanoseconds in log-linear buckets: values below 256 have a bucket each, and
// each doubling above is cut into 128 buckets, so that two decimal digits are kept. These are the
// buckets of Redis's histograms, so that percentiles print alike. Values beyond a second count as
// one second.
//
// Thread safety: none; belongs to the loop.

#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace redis {

class LatencyHistogram {
 public:
  static constexpr uint64_t kMaxNanos = 1'000'000'000;

  // Microseconds, as they are measured; 0 counts as a nanosecond.
  void Record(uint64_t micros) {
    const uint64_t bounded = std::min(micros, kMaxNanos / 1000);
    ++counts_[BucketOf(std::max<uint64_t>(bounded * 1000, 1))];
    ++total_;
  }

  uint64_t total() const { return total_; }
  // The nanoseconds that `percentile` (0 to 100) of the values do not exceed, as the upper end of
  // their bucket; 0 if nothing was recorded.
  uint64_t Percentile(double percentile) const;

  struct Step {
    uint64_t micros;
    uint64_t count;  // values up to that
    bool operator==(const Step&) const = default;
  };
  // The values up to 1024 ns and each of its doublings; steps that add nothing are left out.
  std::vector<Step> Cumulative() const;

 private:
  static constexpr int kExactBits = 8;  // values of so many bits have a bucket each
  static constexpr size_t kHalf = size_t{1} << (kExactBits - 1);
  // Of kMaxNanos, which has 30 bits and so 22 doublings, and one more.
  static constexpr size_t kBuckets = kHalf * 22 + (kMaxNanos >> 22) + 1;

  static constexpr size_t BucketOf(uint64_t nanos) {
    const int width = static_cast<int>(std::bit_width(nanos));
    const int shift = std::max(width - kExactBits, 0);
    return kHalf * static_cast<size_t>(shift) + static_cast<size_t>(nanos >> shift);
  }
  static constexpr uint64_t UpperEnd(size_t bucket) {
    if (bucket < 2 * kHalf) return bucket;
    const size_t shift = bucket / kHalf - 1;
    return ((static_cast<uint64_t>(bucket - kHalf * shift) + 1) << shift) - 1;
  }

  uint64_t total_ = 0;
  std::array<uint64_t, kBuckets> counts_ = {};
};

// Histograms by row; one is made when its command is executed first.
class CommandLatencies {
 public:
  explicit CommandLatencies(size_t rows) : rows_(rows) {}

  // The one call on the path of every command.
  void Record(size_t row, uint64_t micros) {
    if (!enabled_) return;
    std::unique_ptr<LatencyHistogram>& histogram = rows_[row];
    if (histogram == nullptr) histogram = std::make_unique<LatencyHistogram>();
    histogram->Record(micros);
  }

  // Null if nothing was recorded.
  const LatencyHistogram* Find(size_t row) const { return rows_[row].get(); }
  // What was recorded is kept while it is off.
  void set_enabled(bool enabled) { enabled_ = enabled; }
  void Reset() {
    for (std::unique_ptr<LatencyHistogram>& histogram : rows_) histogram.reset();
  }

 private:
  bool enabled_ = true;
  std::vector<std::unique_ptr<LatencyHistogram>> rows_;
};

}  // namespace redis
