// SPDX-License-Identifier: BSD-3-Clause
// CommandMaker makes up commands, the same ones for the same seed: every data family with its
// options, edge values, wrong arities, keys and values of any bytes, expiry, and what goes with a
// connection. Two servers that are sent them must answer alike.
//
// Time. Both servers have their own clock, so an expiry is either far away, or has passed, or comes
// within milliseconds; after the last kind the sender waits until it has passed on both. Which of
// the servers has removed an expired key by then is not known: before it can be seen (DBSIZE,
// DEBUG), the keys that may have expired are looked up or written to, which settles it.
//
// Thread safety: none.

#pragma once

#include <cstdint>
#include <deque>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lsm/random.h"

namespace test_support {

struct MadeCommand {
  // How its replies have to agree.
  enum class Check {
    kExact,        // to the byte
    kAnyOrder,     // the same elements
    kTime,         // the same number, but for what the clocks differ
    kRandomKey,    // both name a key that the other has, or none
    kScan,         // begins a scan that returns the same keys; an error is the same error
    kHello,        // to the byte but for version and id
    kEncoding,     // the same encoding in what DEBUG OBJECT says
    kTransaction,  // of EXEC: as many replies, which are compared one by one
  };
  std::vector<std::string> words;
  Check check = Check::kExact;
  int64_t wait_ms = 0;     // before the next command
  bool is_inline = false;  // to be sent as a line
};

// The command as it goes over the wire.
std::string Encode(const MadeCommand& command);
// The command as a person can read it, long words cut.
std::string Describe(const MadeCommand& command);

class CommandMaker {
 public:
  explicit CommandMaker(uint64_t seed);

  MadeCommand Next();
  // A command to be sent on its own, as one of a transaction or by another connection: nothing has
  // to be sent or awaited after it.
  MadeCommand NextAlone();
  // A key as the commands name them.
  std::string AnyKey() { return Key(); }
  // What makes both servers agree about every key that may have expired, in all databases.
  std::vector<MadeCommand> Settle();
  // The connection begins anew: database 0.
  void Reconnected() { database_ = 0; }
  // The database that the next commands are for.
  int database() const { return database_; }
  void set_database(int database) { database_ = database; }
  lsm::Random& random() { return random_; }

 private:
  static constexpr int kDatabases = 16;
  using Words = std::vector<std::string>;

  std::string Pick(std::initializer_list<std::string_view> choices);
  std::string AnyCase(std::string_view word);
  std::string Key();
  std::string Value();
  std::string Number();
  std::string Pattern();
  void AddKeys(size_t most, Words* words);

  // Of SETRANGE and GETRANGE, of INCRBYFLOAT, of MOVE and its like.
  std::string Place();
  std::string Fraction();
  std::string Database();

  MadeCommand StringCommand();
  MadeCommand PartCommand();
  MadeCommand MoveCommand();
  MadeCommand ObjectCommand();
  MadeCommand CounterCommand();
  MadeCommand SetCommand();
  MadeCommand ExpiringSet();
  MadeCommand MultiKeyCommand();
  MadeCommand ExpireCommand();
  MadeCommand TtlCommand();
  MadeCommand KeyCommand();
  MadeCommand ScanCommand();
  MadeCommand FlushCommand();
  MadeCommand SizeCommand();
  MadeCommand ConnectionCommand();
  MadeCommand ServerCommand();
  MadeCommand WrongCommand();

  // A time for EX, PX, EXAT or PXAT and for EXPIRE and its kin. `command` waits if it is short.
  std::string RelativeTime(bool in_seconds, const std::string& key, MadeCommand* command);
  std::string AbsoluteTime(bool in_seconds, const std::string& key);
  // SWAPDB with these arguments.
  void NoteSwap(const std::string& a, const std::string& b);
  void MayExpire(const std::string& key) { expiring_.emplace_back(database_, key); }

  lsm::Random random_;
  int database_ = 0;
  std::vector<std::pair<int, std::string>> expiring_;  // database and key
  std::deque<MadeCommand> queue_;                      // to be returned first
};

}  // namespace test_support
