// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/version/version_edit.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <string>

#include "lsm/format/coding.h"
#include "lsm/format/file_names.h"
#include "lsm/random.h"
#include "tests/support/golden.h"

namespace lsm {
namespace {

// Every field, each with a value that no other has.
VersionEdit FullEdit() {
  VersionEdit edit;
  edit.next_file_number = 20;
  edit.next_tree_id = 9;
  edit.wal_synced_through = 300;
  edit.clean_stop = 301;
  edit.log_start = LogPosition{299, 0x1122334455667788};
  edit.added_logs = {18, 19};
  edit.removed_logs = {3};
  edit.structural_through = 250;
  edit.created_trees = {7, 8};
  edit.dropped_trees = {5};
  edit.flushed = {{7, 298, {1, -1, std::numeric_limits<int64_t>::min(), 64}}};
  edit.removed_files = {{7, 0, 11}};
  edit.added_files = {{7,
                       6,
                       {12,
                        4,
                        4096,
                        3900,
                        10,
                        2,
                        100,
                        298,
                        "",
                        std::string("z\0\xff", 3),
                        {{9, 70000, 3, 20000}, {13, 5000, 1, 5000}}}}};
  return edit;
}

std::string Encoded(const VersionEdit& edit) {
  std::string bytes;
  edit.EncodeTo(&bytes);
  return bytes;
}

}  // namespace

TEST_CASE("an edit with every field comes back as it was") {
  const VersionEdit edit = FullEdit();
  const Result<VersionEdit> back = VersionEdit::Decode(Encoded(edit));
  REQUIRE(back.ok());
  CHECK(back->DebugString() == edit.DebugString());
  CHECK(Encoded(*back) == Encoded(edit));
  REQUIRE(back->added_files.size() == 1);
  CHECK(back->added_files[0].file == edit.added_files[0].file);
  CHECK(back->log_start->last_checksum == edit.log_start->last_checksum);
}

TEST_CASE("an empty edit is no bytes") {
  CHECK(Encoded(VersionEdit()).empty());
  const Result<VersionEdit> back = VersionEdit::Decode("");
  REQUIRE(back.ok());
  CHECK(back->DebugString().empty());
}

TEST_CASE("an edit cut within a field is corruption") {
  const std::string bytes = Encoded(FullEdit());
  const std::string whole = FullEdit().DebugString();
  size_t refused = 0;
  for (size_t n = 0; n < bytes.size(); ++n) {
    CAPTURE(n);
    const Result<VersionEdit> edit = VersionEdit::Decode(std::string_view(bytes).substr(0, n));
    if (edit.ok()) {
      // Cut between fields: what is left says no more than it did.
      CHECK(whole.rfind(edit->DebugString(), 0) == 0);
    } else {
      CHECK(edit.status().IsCorruption());
      ++refused;
    }
  }
  // As many cuts are between fields as there are fields.
  const auto fields = std::count(whole.begin(), whole.end(), '\n');
  CHECK(bytes.size() - refused == static_cast<size_t>(fields));
}

TEST_CASE("an edit with any byte changed is refused or encodes again to the same bytes") {
  const std::string bytes = Encoded(FullEdit());
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const int mask : {1, 0x80, 0xff}) {
      CAPTURE(at);
      CAPTURE(mask);
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ mask);
      const Result<VersionEdit> edit = VersionEdit::Decode(changed);
      if (!edit.ok()) {
        CHECK(edit.status().IsCorruption());
        continue;
      }
      const Result<VersionEdit> again = VersionEdit::Decode(Encoded(*edit));
      REQUIRE(again.ok());
      CHECK(again->DebugString() == edit->DebugString());
    }
  }
}

TEST_CASE("fields that no writer makes are corruption") {
  const auto field = [](uint64_t tag, std::initializer_list<uint64_t> numbers) {
    std::string bytes;
    PutVarint64(&bytes, tag);
    for (const uint64_t number : numbers) PutVarint64(&bytes, number);
    return bytes;
  };
  REQUIRE(VersionEdit::Decode(field(1, {5}) + field(3, {6})).ok());
  REQUIRE(VersionEdit::Decode(field(6, {5}) + field(6, {6})).ok());
  const std::string file =
      field(13, {1, 0, 7, 1, 4096, 4000, 10, 0, 1, 9}) + std::string("\1a\1b\0", 5);
  REQUIRE(VersionEdit::Decode(file).ok());
  // The same with blob files: file, its size, values, bytes.
  const auto with_blobs = [&file](std::initializer_list<uint64_t> numbers) {
    std::string bytes = file.substr(0, file.size() - 1);
    for (const uint64_t number : numbers) PutVarint64(&bytes, number);
    return VersionEdit::Decode(bytes).ok();
  };
  CHECK(with_blobs({1, 5, 100, 2, 90}));
  CHECK(with_blobs({2, 5, 100, 2, 90, 6, 100, 1, 100}));
  CHECK_FALSE(with_blobs({1, 0, 100, 2, 90}));                  // file 0
  CHECK_FALSE(with_blobs({1, 5, 100, 0, 90}));                  // no values
  CHECK_FALSE(with_blobs({1, 5, 100, 2, 101}));                 // more bytes than there are
  CHECK_FALSE(with_blobs({2, 5, 100, 2, 90, 5, 100, 1, 10}));   // not ascending
  CHECK_FALSE(with_blobs({uint64_t{1} << 60, 5, 100, 2, 90}));  // more than there are bytes for

  CHECK_FALSE(VersionEdit::Decode(field(0, {1})).ok());
  CHECK_FALSE(VersionEdit::Decode(field(14, {1})).ok());
  CHECK_FALSE(VersionEdit::Decode(field(3, {6}) + field(1, {5})).ok());  // out of order
  CHECK_FALSE(VersionEdit::Decode(field(3, {6}) + field(3, {6})).ok());  // twice
  CHECK_FALSE(VersionEdit::Decode(field(3, {kMaxSequence + 1})).ok());
  CHECK_FALSE(VersionEdit::Decode(field(6, {0})).ok());                  // file 0
  CHECK_FALSE(VersionEdit::Decode(field(9, {uint64_t{1} << 32})).ok());  // tree id
  // Numbers from which nobody could count on.
  CHECK(VersionEdit::Decode(field(6, {kMaxFileNumber})).ok());
  CHECK_FALSE(VersionEdit::Decode(field(6, {kMaxFileNumber + 1})).ok());
  CHECK_FALSE(VersionEdit::Decode(field(1, {kMaxFileNumber + 1})).ok());
  CHECK_FALSE(with_blobs({1, kMaxFileNumber + 1, 100, 2, 90}));
  CHECK(VersionEdit::Decode(field(9, {kMaxTreeId})).ok());
  CHECK_FALSE(VersionEdit::Decode(field(9, {uint64_t{kMaxTreeId} + 1})).ok());
  CHECK_FALSE(VersionEdit::Decode(field(2, {uint64_t{kMaxTreeId} + 1})).ok());
  CHECK_FALSE(VersionEdit::Decode(field(12, {1, uint64_t{kMaxLevels}, 7})).ok());  // level
  CHECK_FALSE(VersionEdit::Decode(field(13, {1, 0, 7, 1, 4096, 4000, 10, 11, 1, 9}) +
                                  std::string("\1a\1b\0", 5))
                  .ok());
  CHECK_FALSE(VersionEdit::Decode(field(13, {1, 0, 7, 1, 4096, 4000, 10, 0, 9, 1}) +
                                  std::string("\1a\1b\0", 5))
                  .ok());
  CHECK_FALSE(VersionEdit::Decode(field(13, {1, 0, 7, 1, 4096, 4000, 10, 0, 1, 9}) +
                                  std::string("\1b\1a\0", 5))
                  .ok());
  CHECK_FALSE(VersionEdit::Decode(field(13, {1, 0, 7, 1, 4096, 4097, 10, 0, 1, 9}) +
                                  std::string("\1a\1b\0", 5))
                  .ok());
}

TEST_CASE("random bytes as an edit are decoded or refused, and nothing else") {
  const uint64_t seed = 20240612;
  CAPTURE(seed);
  Random random(seed);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes;
    for (uint64_t n = random.Uniform(40); n > 0; --n) {
      bytes += static_cast<char>(random.Uniform(round % 2 == 0 ? 16 : 256));
    }
    const Result<VersionEdit> edit = VersionEdit::Decode(bytes);
    CHECK((edit.ok() || edit.status().IsCorruption()));
  }
}

TEST_CASE("the bytes of an edit are those of its golden file") {
  support::CheckGolden("version_edit.hex", Encoded(FullEdit()),
                       {{2, "next file number 20"},
                        {2, "next tree id 9"},
                        {3, "wal synced through 300"},
                        {3, "clean stop 301"},
                        {11, "log start: sequence 299, checksum"},
                        {2, "add log 18"},
                        {2, "add log 19"},
                        {2, "remove log 3"},
                        {3, "structural through 250"},
                        {2, "create tree 7"},
                        {2, "create tree 8"},
                        {2, "drop tree 5"},
                        {4, "tree 7 flushed through 298, counters:"},
                        {1, "1"},
                        {1, "-1"},
                        {10, "the smallest of 64 bits"},
                        {2, "64"},
                        {4, "remove from tree 7, level 0, file 11"},
                        {3, "add to tree 7, level 6:"},
                        {2, "file 12, slice of tree 4"},
                        {4, "4096 bytes, 3900 of them the slice"},
                        {2, "10 entries, 2 tombstones"},
                        {3, "sequences from 100 to 298"},
                        {1, "smallest key, empty"},
                        {4, "largest key"}});
}

}  // namespace lsm
