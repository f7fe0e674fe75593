// SPDX-License-Identifier: BSD-3-Clause
// The families of commands that look at parts of strings, move keys, and ask how they are kept.

#include <algorithm>
#include <utility>

#include "tests/support/command_maker.h"

namespace test_support {

std::string CommandMaker::Place() {
  switch (random_.Uniform(8)) {
    case 0:
      return Pick({"", "x", "1.5", "9223372036854775808", "9223372036854775807",
                   "-9223372036854775808", "-9223372036854775807", "536870912", "-0", "+1"});
    case 1:
      return std::to_string(static_cast<int64_t>(random_.Uniform(2000)) - 1000);
    default:
      return std::to_string(static_cast<int64_t>(random_.Uniform(60)) - 20);
  }
}

std::string CommandMaker::Fraction() {
  using namespace std::string_view_literals;
  switch (random_.Uniform(6)) {
    case 0:
      return Pick({"inf"sv, "-inf"sv, "nan"sv, "1e400"sv, "1e5000"sv, "1e-5000"sv, "0x10"sv,
                   "0x1p-3"sv, "-0"sv, ".5"sv, "5."sv, "1e"sv, "1\0"sv, "-1e-18"sv, "1e-17"sv,
                   "1e20"sv, "1.7976931348623157e308"sv, "18446744073709551616"sv});
    case 1:
      return Value();
    case 2:
      return std::to_string(random_.Uniform(2000)) + "e" +
             std::to_string(static_cast<int64_t>(random_.Uniform(50)) - 25);
    default: {
      std::string text = random_.OneIn(2) ? "-" : "";
      text += std::to_string(random_.Uniform(random_.OneIn(4) ? 1'000'000'000'000 : 1000)) + ".";
      for (uint64_t digits = 1 + random_.Uniform(20); digits-- > 0;) {
        text += std::to_string(random_.Uniform(10));
      }
      return text;
    }
  }
}

MadeCommand CommandMaker::PartCommand() {
  switch (random_.Uniform(8)) {
    case 0:
    case 1: {
      const std::string offset =
          random_.OneIn(5) ? Place()
                           : std::to_string(random_.Uniform(random_.OneIn(9) ? 9000 : 60));
      // An offset that is allowed and far away would make both servers write megabytes.
      const std::string value = offset == "536870912" ? "x" : Value();
      return {{AnyCase("SETRANGE"), Key(), offset, value}};
    }
    case 2:
    case 3:
      return {{AnyCase(Pick({"GETRANGE", "SUBSTR"})), Key(), Place(), Place()}};
    case 4: {
      MadeCommand command{{AnyCase("LCS"), Key(), Key()}};
      for (uint64_t i = random_.Uniform(4); i-- > 0;) {
        command.words.push_back(
            AnyCase(Pick({"LEN", "IDX", "IDX", "WITHMATCHLEN", "MINMATCHLEN", "FOO"})));
        if (command.words.back().size() == 11 && !random_.OneIn(9)) {
          command.words.push_back(
              Pick({"0", "1", "2", "3", "5", "-1", "x", "9223372036854775807"}));
        }
      }
      return command;
    }
    default:
      return {{AnyCase("INCRBYFLOAT"), Key(), Fraction()}};
  }
}

std::string CommandMaker::Database() {
  if (random_.OneIn(12)) {
    return Pick({"-1", "16", "x", "", "1.0", "2147483648", "99999999999999999999"});
  }
  return std::to_string(random_.Uniform(random_.OneIn(2) ? 3 : kDatabases));
}

MadeCommand CommandMaker::MoveCommand() {
  MadeCommand command;
  switch (random_.Uniform(20)) {
    case 0: {
      const std::string a = Database();
      const std::string b = Database();
      NoteSwap(a, b);
      return {{AnyCase("SWAPDB"), a, b}};
    }
    case 1:
    case 2:
    case 3:
      command.words = {AnyCase("TOUCH")};
      AddKeys(4, &command.words);
      return command;
    case 4:
    case 5:
    case 6:
      return {{AnyCase("MOVE"), Key(), Database()}};
    case 7:
    case 8:
    case 9:
      return {{AnyCase("RENAMENX"), Key(), Key()}};
    case 10:
    case 11:
    case 12:
    case 13:
      return {{AnyCase("RENAME"), Key(), Key()}};
    default:
      command.words = {AnyCase("COPY"), Key(), Key()};
      for (uint64_t i = random_.Uniform(4); i-- > 0;) {
        command.words.push_back(AnyCase(Pick({"REPLACE", "REPLACE", "DB", "DB", "DB", "FOO"})));
        if (command.words.back().size() == 2 && !random_.OneIn(12)) {
          command.words.push_back(Database());
        }
      }
      return command;
  }
}

// Keys whose time has come but which may not have been removed yet move along - or not, if the
// command is part of a transaction that is not executed.
void CommandMaker::NoteSwap(const std::string& a, const std::string& b) {
  const auto number = [](const std::string& text) {
    const bool is_database = !text.empty() && text.size() <= 2 &&
                             text.find_first_not_of("0123456789") == std::string::npos;
    return is_database ? std::stoi(text) : kDatabases;
  };
  const int first = number(a);
  const int second = number(b);
  if (first >= kDatabases || second >= kDatabases) return;
  const auto known = expiring_;
  for (const auto& [database, key] : known) {
    if (database != first && database != second) continue;
    const std::pair moved(database == first ? second : first, key);
    if (std::find(known.begin(), known.end(), moved) == known.end()) expiring_.push_back(moved);
  }
}

MadeCommand CommandMaker::ObjectCommand() {
  switch (random_.Uniform(10)) {
    case 0: {
      // A value that was set is shared or not; what becomes of a shared one when it is copied is
      // Redis's own affair.
      const std::string key = Key();
      queue_.push_back({{AnyCase("OBJECT"), AnyCase("REFCOUNT"), key}});
      return {{"SET", key, random_.OneIn(2) ? std::to_string(random_.Uniform(20'000)) : Value()}};
    }
    case 1:
      return {{"MEMORY", "USAGE", Key(), Pick({"SAMPLES", "FOO"}), Pick({"x", "-1", ""})}};
    case 2:
      return {{"MEMORY", "USAGE", "nosuchkey", "SAMPLES", std::to_string(random_.Uniform(9))}};
    case 3:
      return {
          {"OBJECT", Pick({"FREQ", "ENCODING", "REFCOUNT", "NOSUCH", "IDLETIME"}), "nosuchkey"}};
    case 4:
      return {{"OBJECT", "FREQ", Key()}};
    case 5:
      return {{Pick({"TIME", "OBJECT", "MEMORY", "SWAPDB", "LOLWUT"}), "VERSION", Pick({"x", ""})}};
    case 6:
      return {{"COMMAND", "GETKEYS", Pick({"LCS", "RENAME", "COPY", "RENAMENX", "TOUCH"}), Key(),
               Key()}};
    default:
      return {{AnyCase("OBJECT"), AnyCase("ENCODING"), Key()}};
  }
}

}  // namespace test_support
