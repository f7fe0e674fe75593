// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/db/stall.h"

#include "doctest/doctest.h"

namespace lsm {
namespace {

using State = WriteStall::State;
using Reason = WriteStall::Reason;

StallInput Calm() {
  StallInput input;
  input.max_memtables = 1;
  input.flush_rate = 100'000'000;
  input.compaction_rate = 50'000'000;
  input.sync_rate = 200'000'000;
  return input;
}

TEST_CASE("nothing is asked of writers below every mark") {
  const Options options;
  StallInput input = Calm();
  input.max_l0_files = static_cast<size_t>(options.l0_slowdown_trigger - 1);
  input.max_memtables = static_cast<size_t>(options.memtable_limit + 1);
  input.memtable_bytes = options.write_buffer_budget / 8 * 7;
  const WriteStall stall = ComputeStall(options, input);
  CHECK(stall.state == State::kNone);
  CHECK(stall.bytes_per_second == 0);
}

TEST_CASE("the pace falls from twice the rate of the work to nothing at the wall, without a step") {
  const Options options;
  StallInput input = Calm();
  input.max_l0_files = static_cast<size_t>(options.l0_slowdown_trigger);
  uint64_t last = 2 * input.compaction_rate;
  bool passed_rate = false;
  for (; input.max_l0_files < static_cast<size_t>(options.l0_stop_trigger); ++input.max_l0_files) {
    const WriteStall stall = ComputeStall(options, input);
    CAPTURE(input.max_l0_files);
    REQUIRE(stall.state == State::kSlowdown);
    CHECK(stall.reason == Reason::kL0Files);
    CHECK(stall.bytes_per_second < last);
    CHECK(stall.bytes_per_second + input.compaction_rate / 3 > last);
    passed_rate = passed_rate || stall.bytes_per_second <= input.compaction_rate;
    last = stall.bytes_per_second;
  }
  CHECK(passed_rate);
  CHECK(ComputeStall(options, input).state == State::kStop);
}

TEST_CASE("the slowest pace that any figure asks for is the one that holds") {
  const Options options;
  StallInput input = Calm();
  input.max_l0_files = static_cast<size_t>(options.l0_slowdown_trigger);
  input.memtable_bytes = options.write_buffer_budget / 100 * 98;
  WriteStall stall = ComputeStall(options, input);
  CHECK(stall.reason == Reason::kWriteBufferBudget);
  CHECK(stall.bytes_per_second < input.flush_rate / 4);
  input.compaction_rate = 1;
  stall = ComputeStall(options, input);
  CHECK(stall.reason == Reason::kL0Files);
  CHECK(stall.bytes_per_second > 0);
}

TEST_CASE("an unsynced log slows writers from half its allowed age on, and never stops them") {
  const Options options;
  StallInput input = Calm();
  input.unsynced_age = 1'900'000;
  CHECK(ComputeStall(options, input).state == State::kNone);
  input.max_unsynced_age = 2'000'000;
  const WriteStall late = ComputeStall(options, input);
  CHECK(late.state == State::kSlowdown);
  CHECK(late.reason == Reason::kUnsyncedLog);
  CHECK(late.bytes_per_second < input.sync_rate / 4);
  input.unsynced_age = 1'000'000;
  CHECK(ComputeStall(options, input).state == State::kNone);
  input.unsynced_age = 60'000'000;
  CHECK(ComputeStall(options, input).state == State::kSlowdown);
}

TEST_CASE("a lower pace and a stop are no relief, a higher pace and none are") {
  const WriteStall slow = {.state = State::kSlowdown, .bytes_per_second = 10};
  const WriteStall slower = {.state = State::kSlowdown, .bytes_per_second = 5};
  const WriteStall stop = {.state = State::kStop};
  CHECK(IsRelief(slower, slow));
  CHECK(IsRelief(stop, slower));
  CHECK(IsRelief(slow, WriteStall()));
  CHECK(!IsRelief(slow, slower));
  CHECK(!IsRelief(slow, stop));
  CHECK(!IsRelief(stop, stop));
}

TEST_CASE("a drain meter follows what work did lately, weighed by the time it took") {
  DrainMeter meter;
  CHECK(meter.BytesPerSecond() > 0);
  meter.Note(10'000'000, 1'000'000);
  CHECK(meter.BytesPerSecond() == 10'000'000);
  meter.Note(1, 1);  // a moment says little
  CHECK(meter.BytesPerSecond() > 9'900'000);
  for (int i = 0; i < 60; ++i) meter.Note(40'000'000, 1'000'000);
  CHECK(meter.BytesPerSecond() > 39'000'000);
  meter.Note(0, 0);
  CHECK(meter.BytesPerSecond() > 39'000'000);
}

TEST_CASE("writers at a pace pass as many bytes as it says, a millisecond's worth ahead at most") {
  WritePacer pacer;
  int64_t now = 5'000'000;
  pacer.Charge(1 << 30, now);
  CHECK(pacer.DelayMicros(now) == 0);
  pacer.SetPace(10'000'000);
  uint64_t passed = 0;
  for (const int64_t end = now + 2'000'000; now < end;) {
    const int64_t delay = pacer.DelayMicros(now);
    CHECK(delay <= 12);  // one unit's worth: 116 bytes are 11.6 us
    now += delay;
    pacer.Charge(116, now);
    passed += 116;
  }
  CHECK(passed >= 20'000'000);
  CHECK(passed <= 20'000'000 + 10'000 + 116);
}

TEST_CASE("one enormous unit holds the others for a bounded time, and a new pace holds at once") {
  WritePacer pacer;
  pacer.SetPace(1'000'000);
  pacer.Charge(512 << 20, 1'000);
  const int64_t delay = pacer.DelayMicros(1'000);
  CHECK(delay > 10'000);
  CHECK(delay <= 20'000);
  CHECK(pacer.DelayMicros(1'000 + delay) == 0);
  pacer.SetPace(0);
  CHECK(pacer.DelayMicros(1'000) == 0);
}

}  // namespace
}  // namespace lsm
