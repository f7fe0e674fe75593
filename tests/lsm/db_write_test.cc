// SPDX-License-Identifier: BSD-3-Clause
// Units, groups, trees and counters.

#include "doctest/doctest.h"
#include "tests/lsm/db_test_util.h"

namespace lsm {
namespace {

using db_test::Key;
using db_test::SmallOptions;
using db_test::TestDb;

TEST_CASE("a unit is seen by its writer at once and by others after its group is closed") {
  TestDb db;
  REQUIRE(db.Open().ok());
  const auto before = db->NewReadView();
  {
    const auto writer = db->LockWriter();
    WriteBatch unit;
    unit.Put(0, "a", "1");
    REQUIRE(writer->Commit(unit).ok());
    CHECK(writer->HasOpenGroup());
    CHECK(TestDb::GetFrom(writer->view(), "a") == "1");
    CHECK(db.Get("a") == "(absent)");
    const Result<SequenceNumber> closed = writer->CloseGroup();
    REQUIRE(closed.ok());
    CHECK(*closed == db->visible_sequence());
    CHECK_FALSE(writer->HasOpenGroup());
  }
  CHECK(db.Get("a") == "1");
  CHECK(TestDb::GetFrom(before.get(), "a") == "(absent)");
  before->Refresh();
  CHECK(TestDb::GetFrom(before.get(), "a") == "1");
}

TEST_CASE("what was written is there after a kill, a clean stop, and a flush") {
  TestDb db;
  REQUIRE(db.Open().ok());
  for (int i = 0; i < 2000; ++i) REQUIRE(db.Put(Key(i), "value" + std::to_string(i)).ok());
  const auto check = [&db] {
    for (int i = 0; i < 2000; ++i) REQUIRE(db.Get(Key(i)) == "value" + std::to_string(i));
    CHECK(db.Scan().size() == 2000);
  };
  check();
  REQUIRE(db.Kill().ok());
  check();
  REQUIRE(db->FlushAll().ok());
  check();
  REQUIRE(db.Reopen().ok());
  check();
  CHECK(db->Stats().replayed_units == 0);
  REQUIRE(db.Kill().ok());
  check();
}

}  // namespace
}  // namespace lsm
