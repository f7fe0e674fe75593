// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/filter.h"

#include <doctest/doctest.h>

#include "lsm/format/checksum.h"

namespace lsm {
namespace {

uint64_t HashOf(uint64_t i) { return HashKey("key" + std::to_string(i)); }

Filter Make(uint64_t keys, int bits_per_key) {
  FilterBuilder builder;
  for (uint64_t i = 0; i < keys; ++i) builder.Add(HashOf(i));
  Filter filter;
  const char* why = Filter::Parse(builder.Build(bits_per_key), &filter);
  REQUIRE(why == nullptr);
  return filter;
}

double FalsePositiveRate(const Filter& filter, uint64_t keys) {
  constexpr uint64_t kProbes = 200000;
  uint64_t positives = 0;
  for (uint64_t i = 0; i < kProbes; ++i) positives += filter.MayContain(HashOf(keys + i));
  return static_cast<double>(positives) / kProbes;
}

}  // namespace

TEST_CASE("a filter never denies a key that it holds") {
  for (const int bits : {1, 5, 10, 20, 64}) {
    for (const uint64_t keys :
         {uint64_t{1}, uint64_t{2}, uint64_t{51}, uint64_t{52}, uint64_t{9999}}) {
      CAPTURE(bits);
      CAPTURE(keys);
      const Filter filter = Make(keys, bits);
      uint64_t denied = 0;
      for (uint64_t i = 0; i < keys; ++i) denied += !filter.MayContain(HashOf(i));
      CHECK(denied == 0);
    }
  }
}

TEST_CASE("at 10 bits a key, fewer than 1.5 % of absent keys pass the filter") {
  for (const uint64_t keys : {uint64_t{1000}, uint64_t{100000}}) {
    const double rate = FalsePositiveRate(Make(keys, 10), keys);
    MESSAGE("false positives of ", keys, " keys: ", rate * 100, " %");
    CHECK(rate < 0.015);
  }
}

TEST_CASE("more bits a key let fewer absent keys pass") {
  const double at_5 = FalsePositiveRate(Make(20000, 5), 20000);
  const double at_10 = FalsePositiveRate(Make(20000, 10), 20000);
  const double at_16 = FalsePositiveRate(Make(20000, 16), 20000);
  CHECK(at_5 < 0.15);
  CHECK(at_10 < at_5);
  CHECK(at_16 < at_10);
}

TEST_CASE("the order of insertion and repeated keys do not change a filter's bytes") {
  FilterBuilder forward;
  FilterBuilder backward;
  for (uint64_t i = 0; i < 500; ++i) {
    forward.Add(HashOf(i));
    forward.Add(HashOf(i));
    backward.Add(HashOf(499 - i));
  }
  CHECK(forward.Build(10) == backward.Build(10));
}

TEST_CASE("filters of impossible shape are refused") {
  Filter filter;
  for (const size_t size :
       {size_t{0}, size_t{1}, size_t{63}, size_t{64}, size_t{66}, size_t{128}}) {
    CHECK(Filter::Parse(std::string(size, '\1'), &filter) != nullptr);
  }
  std::string contents(65, '\0');
  CHECK(Filter::Parse(contents, &filter) != nullptr);  // no probes
  contents.back() = 31;
  CHECK(Filter::Parse(contents, &filter) != nullptr);
  contents.back() = 6;
  CHECK(Filter::Parse(contents, &filter) == nullptr);
}

}  // namespace lsm
