// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/command_maker.h"

#include <algorithm>

namespace test_support {

namespace {

constexpr size_t kPlainKeys = 40;
constexpr size_t kLongestShown = 80;

std::string Escape(std::string_view bytes, size_t most) {
  static constexpr std::string_view kHexDigits = "0123456789abcdef";
  std::string text = "\"";
  for (const char c : bytes.substr(0, most)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
      text.push_back(c);
    } else {
      text.append("\\x").append({kHexDigits[byte >> 4], kHexDigits[byte & 15]});
    }
  }
  text.push_back('"');
  if (bytes.size() > most) text += "...(" + std::to_string(bytes.size()) + " bytes)";
  return text;
}

}  // namespace

std::string Encode(const MadeCommand& command) {
  std::string bytes;
  if (command.is_inline) {
    for (const std::string& word : command.words) bytes += Escape(word, word.size()) + " ";
    return bytes + "\r\n";
  }
  bytes = "*" + std::to_string(command.words.size()) + "\r\n";
  for (const std::string& word : command.words) {
    bytes.append("$").append(std::to_string(word.size())).append("\r\n");
    bytes.append(word).append("\r\n");
  }
  return bytes;
}

std::string Describe(const MadeCommand& command) {
  std::string text;
  for (const std::string& word : command.words) text += Escape(word, kLongestShown) + " ";
  if (command.is_inline) text += "(inline)";
  return text;
}

CommandMaker::CommandMaker(uint64_t seed) : random_(seed) {}

std::string CommandMaker::Pick(std::initializer_list<std::string_view> choices) {
  return std::string(choices.begin()[random_.Uniform(choices.size())]);
}

std::string CommandMaker::AnyCase(std::string_view word) {
  std::string text(word);
  const uint64_t kind = random_.Uniform(4);
  for (char& c : text) {
    const bool change = kind == 0 || (kind == 1 && random_.OneIn(2));
    if (change && c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

std::string CommandMaker::Key() {
  using namespace std::string_view_literals;
  switch (random_.Uniform(12)) {
    case 0:
      return Pick({""sv, "\0"sv, "a\0b"sv, "a\0"sv, "\xff\xfe"sv, "\r\n"sv, "[x]"sv, "a*b"sv,
                   "a\\b"sv, "0"sv, "-"sv, "^"sv, "a]b"sv});
    case 1:
      return "long:" + std::string(600, 'x') + std::to_string(random_.Uniform(3));
    default:
      return "key:" + std::to_string(random_.Uniform(kPlainKeys));
  }
}

std::string CommandMaker::Value() {
  using namespace std::string_view_literals;
  switch (random_.Uniform(8)) {
    case 0:
      return Pick({""sv, "-0"sv, "01"sv, " 1"sv, "1 "sv, "+1"sv, "\0"sv, "1\0"sv, "\r\n"sv, "1e3"sv,
                   "3.0"sv, "9223372036854775808"sv, "-9223372036854775809"sv, "OK"sv});
    case 1:
      return std::string(43 + random_.Uniform(4), 'e');
    case 2: {
      std::string bytes(random_.Uniform(200), '\0');
      for (char& c : bytes) c = static_cast<char>(random_.Next32());
      return bytes;
    }
    case 3:
      if (random_.OneIn(8)) return std::string(random_.Uniform(70'000), 'L');
      return std::string(random_.Uniform(20), 'v');
    default:
      return Number();
  }
}

std::string CommandMaker::Number() {
  switch (random_.Uniform(6)) {
    case 0:
      return Pick({"0", "1", "-1", "9223372036854775807", "-9223372036854775808",
                   "9223372036854775806", "-9223372036854775807", "2147483648", "4294967296"});
    case 1:
      return Pick({"", "-", "abc", "1.5", "0x10", "9223372036854775808", "-9223372036854775809",
                   "18446744073709551616", " 7", "7 ", "+7", "07", "-0"});
    default:
      return std::to_string(static_cast<int64_t>(random_.Uniform(2'000'000)) - 1'000'000);
  }
}

std::string CommandMaker::Pattern() {
  if (random_.OneIn(3)) {
    std::string pattern;
    for (uint64_t i = random_.Uniform(8); i-- > 0;) {
      pattern += Pick({"*", "?", "[", "]", "^", "-", "\\", "k", "e", "y", ":", "1", "[^", "[0-9]",
                       "[a-", "\xff", "a"});
    }
    return pattern;
  }
  return Pick({"*",  "",     "key:*", "key:1*", "key:?", "key:[1-3]?", "key:[^1]*",
               "*b", "a?b",  "**",    "long:*", "[[]x]", "a\\*b",      "key:\\1",
               "?",  "k[e-", "key:1", "*:*",    "[]",    "[^]x"});
}

void CommandMaker::AddKeys(size_t most, Words* words) {
  for (uint64_t i = 1 + random_.Uniform(most); i-- > 0;) words->push_back(Key());
}

std::string CommandMaker::RelativeTime(bool in_seconds, const std::string& key,
                                       MadeCommand* command) {
  if (random_.OneIn(6)) {
    return Pick({"0", "-1", "", "x", "1.5", "9223372036854775807", "-9223372036854775808",
                 "9223372036854775808", "9223372036854775", "92233720368547758", "-5000"});
  }
  if (!in_seconds && random_.OneIn(40)) {
    const auto milliseconds = static_cast<int64_t>(1 + random_.Uniform(4));
    command->wait_ms = milliseconds + 4;
    MayExpire(key);
    return std::to_string(milliseconds);
  }
  // Two that are compared are hardly ever so near to each other that the clocks decide.
  const uint64_t seconds = 1000 + random_.Uniform(100'000'000);
  return std::to_string(in_seconds ? seconds : seconds * 1000 + random_.Uniform(1000));
}

std::string CommandMaker::AbsoluteTime(bool in_seconds, const std::string& key) {
  if (random_.OneIn(3)) {
    MayExpire(key);
    return Pick({"0", "1", "-1", "", "1000", "x", "1600000000", "9223372036854775807",
                 "9223372036854775", "9223372036854776", "-9223372036854775808"});
  }
  const uint64_t seconds = 4'000'000'000 + random_.Uniform(100'000'000);
  return std::to_string(in_seconds ? seconds : seconds * 1000 + random_.Uniform(1000));
}

MadeCommand CommandMaker::StringCommand() {
  switch (random_.Uniform(9)) {
    case 0:
      return {{AnyCase("APPEND"), Key(), Value()}};
    case 1:
      return {{AnyCase("STRLEN"), Key()}};
    case 2:
      return {{AnyCase("GETSET"), Key(), Value()}};
    case 3:
      return {{AnyCase("GETDEL"), Key()}};
    case 4:
      return {{AnyCase("SETNX"), Key(), Value()}};
    case 5: {
      MadeCommand command{{"DEBUG", "OBJECT", Key()}};
      command.check = MadeCommand::Check::kEncoding;
      queue_.push_back(command);
      return {{"TYPE", command.words[2]}};
    }
    default:
      return {{AnyCase("GET"), Key()}};
  }
}

MadeCommand CommandMaker::CounterCommand() {
  if (random_.OneIn(2)) return {{Pick({"INCR", "DECR", "incr", "Decr"}), Key()}};
  return {{Pick({"INCRBY", "DECRBY"}), Key(), Number()}};
}

MadeCommand CommandMaker::SetCommand() {
  MadeCommand command{{AnyCase("SET"), Key(), Value()}};
  const std::string key = command.words[1];
  if (random_.OneIn(3)) return command;
  for (uint64_t i = random_.Uniform(4); i-- > 0;) {
    const std::string option =
        Pick({"NX", "XX", "GET", "KEEPTTL", "EX", "PX", "EXAT", "PXAT", "PERSIST", "EX", "PX"});
    command.words.push_back(AnyCase(option));
    const bool has_time =
        option.size() >= 2 && option[1] == 'X' && option[0] != 'N' && option[0] != 'X';
    if (!has_time || random_.OneIn(20)) continue;
    const bool in_seconds = option[0] == 'E';
    command.words.push_back(option.ends_with("AT") ? AbsoluteTime(in_seconds, key)
                                                   : RelativeTime(in_seconds, key, &command));
  }
  return command;
}

MadeCommand CommandMaker::ExpiringSet() {
  MadeCommand command;
  const std::string key = Key();
  switch (random_.Uniform(3)) {
    case 0:
      command.words = {AnyCase("SETEX"), key, RelativeTime(true, key, &command), Value()};
      break;
    case 1:
      command.words = {AnyCase("PSETEX"), key, RelativeTime(false, key, &command), Value()};
      break;
    default: {
      command.words = {AnyCase("GETEX"), key};
      const std::string option = Pick({"", "EX", "PX", "EXAT", "PXAT", "PERSIST", "KEEPTTL", "NX"});
      if (option.empty()) break;
      command.words.push_back(AnyCase(option));
      if (option == "PERSIST" || option == "KEEPTTL" || option == "NX") break;
      const bool in_seconds = option[0] == 'E';
      command.words.push_back(option.ends_with("AT") ? AbsoluteTime(in_seconds, key)
                                                     : RelativeTime(in_seconds, key, &command));
      if (random_.OneIn(10)) command.words.push_back(Pick({"PERSIST", "PX", "GET"}));
    }
  }
  return command;
}

MadeCommand CommandMaker::MultiKeyCommand() {
  MadeCommand command;
  switch (random_.Uniform(6)) {
    case 0:
    case 1:
      command.words = {Pick({"MSET", "MSETNX", "mset", "MSETNX"})};
      for (uint64_t i = 1 + random_.Uniform(12); i-- > 0;) {
        command.words.push_back(Key());
        command.words.push_back(Value());
      }
      if (random_.OneIn(20)) command.words.pop_back();
      break;
    case 2:
    case 3:
      command.words = {AnyCase("MGET")};
      AddKeys(6, &command.words);
      break;
    case 4:
      command.words = {Pick({"DEL", "UNLINK"})};
      AddKeys(4, &command.words);
      break;
    default:
      command.words = {AnyCase("EXISTS")};
      AddKeys(6, &command.words);
  }
  return command;
}

MadeCommand CommandMaker::ExpireCommand() {
  MadeCommand command;
  const std::string key = Key();
  if (random_.OneIn(6)) return {{AnyCase("PERSIST"), key}};
  const std::string name = Pick({"EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"});
  const bool in_seconds = name[0] == 'E';
  const std::string time = name.ends_with("AT") ? AbsoluteTime(in_seconds, key)
                                                : RelativeTime(in_seconds, key, &command);
  command.words = {AnyCase(name), key, time};
  if (random_.OneIn(2)) return command;
  for (uint64_t i = 1 + random_.Uniform(2); i-- > 0;) {
    command.words.push_back(AnyCase(Pick({"NX", "XX", "GT", "LT", "GT", "LT", "AB", "CH"})));
  }
  return command;
}

MadeCommand CommandMaker::TtlCommand() {
  MadeCommand command{{AnyCase(Pick({"TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"})), Key()}};
  command.check = MadeCommand::Check::kTime;
  return command;
}

MadeCommand CommandMaker::KeyCommand() {
  MadeCommand command;
  switch (random_.Uniform(5)) {
    case 0:
      command.words = {AnyCase("KEYS"), Pattern()};
      command.check = MadeCommand::Check::kAnyOrder;
      return command;
    case 1:
      command.words = {AnyCase("RANDOMKEY")};
      command.check = MadeCommand::Check::kRandomKey;
      return command;
    case 2:
      queue_.push_back({{"DEBUG", "DIGEST-VALUE", Key(), Key()}});
      return {{"EXISTS", queue_.back().words[2], queue_.back().words[3]}};
    default:
      return {{AnyCase("TYPE"), Key()}};
  }
}

MadeCommand CommandMaker::ScanCommand() {
  MadeCommand command{{AnyCase("SCAN"), "0"}};
  command.check = MadeCommand::Check::kScan;
  if (random_.OneIn(8))
    command.words[1] = Pick({"", "-", "abc", "1x", "18446744073709551616", "+0"});
  for (uint64_t i = random_.Uniform(4); i-- > 0;) {
    switch (random_.Uniform(5)) {
      case 0:
        command.words.insert(command.words.end(), {AnyCase("MATCH"), Pattern()});
        break;
      case 1:
        command.words.insert(command.words.end(),
                             {AnyCase("TYPE"), Pick({"string", "STRING", "hash", "zset", "no"})});
        break;
      case 2:
        command.words.insert(command.words.end(),
                             {AnyCase("COUNT"), Pick({"0", "-1", "x", "", "9223372036854775808"})});
        break;
      default:
        command.words.insert(command.words.end(),
                             {AnyCase("COUNT"), std::to_string(1 + random_.Uniform(60))});
    }
  }
  if (random_.OneIn(20)) command.words.push_back(Pick({"COUNT", "MATCH", "TYPE", "FOO"}));
  return command;
}

MadeCommand CommandMaker::FlushCommand() {
  if (random_.OneIn(2)) return {{Pick({"FLUSHDB", "FLUSHALL"}), Pick({"SYN", "1", "SYNC ", ""})}};
  MadeCommand command{{Pick({"FLUSHDB", "FLUSHDB", "FLUSHALL"})}};
  if (random_.OneIn(2)) command.words.push_back(Pick({"SYNC", "ASYNC", "async"}));
  return command;
}

MadeCommand CommandMaker::SizeCommand() {
  for (const auto& [database, key] : expiring_) {
    if (database == database_) queue_.push_back({{"PERSIST", key}});
  }
  std::erase_if(expiring_, [&](const auto& entry) { return entry.first == database_; });
  queue_.push_back({{AnyCase("DBSIZE")}});
  MadeCommand first = std::move(queue_.front());
  queue_.pop_front();
  return first;
}

MadeCommand CommandMaker::ConnectionCommand() {
  MadeCommand command;
  switch (random_.Uniform(10)) {
    case 0:
    case 1: {
      const auto database = static_cast<int>(random_.OneIn(2) ? 0 : random_.Uniform(kDatabases));
      database_ = database;
      return {{AnyCase("SELECT"), std::to_string(database)}};
    }
    case 2:
      return {{"SELECT", Pick({"-1", "16", "x", "", "4294967296", "99999999999999999999", "1.0"})}};
    case 3:
    case 4:
      command.words = {AnyCase("HELLO"), Pick({"2", "3", "3", "3"})};
      if (random_.OneIn(3)) command.words.insert(command.words.end(), {"SETNAME", "me"});
      if (random_.OneIn(4)) command.words.insert(command.words.end(), {"AUTH", "default", "any"});
      command.check = MadeCommand::Check::kHello;
      return command;
    case 5:
      return {{"HELLO", Pick({"1", "4", "x", "", "3.0"}), "AUTH"}};
    case 6:
      return {{"CLIENT", Pick({"GETNAME", "getname", "GETNAM", "SETNAME"})}};
    case 7:
      return {{"CLIENT", "SETNAME", Pick({"a", "", "a b", "\x01", "name-2"})}};
    case 8:
      if (random_.OneIn(4)) {
        database_ = 0;
        return {{AnyCase("RESET")}};
      }
      return {{Pick({"AUTH", "auth"}), Pick({"default", "nobody", ""}), Pick({"x", ""})}};
    default:
      return {{Pick({"ECHO", "PING"}), Value()}};
  }
}

MadeCommand CommandMaker::ServerCommand() {
  switch (random_.Uniform(7)) {
    case 0:
      return {{"COMMAND", "GETKEYS", Pick({"GET", "SET", "MSET", "DEL", "PING", "nosuch"}), Key(),
               Value()}};
    case 1:
      return {{"COMMAND", Pick({"NOSUCH", "COUNT"}), Value()}};
    case 2:
      return {{"CONFIG", Pick({"GET", "SET", "NOSUCH", "RESETSTAT"}),
               Pick({"proto-max-bulk-len", "nosuch", "tcp-keepalive", "hz"})}};
    case 3:
      return {{"CONFIG", "SET", Pick({"hz", "timeout", "nosuch"}), Pick({"x", "-7", ""})}};
    case 4:
      return {{"CLIENT", "KILL", Pick({"ID", "TYPE", "ADDR", "USER", "nosuch"}),
               Pick({"0", "x", "-1", "99999999", "nobody"})}};
    case 5:
      return {{"CLIENT", "LIST", Pick({"ID", "TYPE", "nosuch"}), Pick({"x", "nosuch", ""})}};
    default:
      return {{"DEBUG", Pick({"NOSUCH", "OBJECT", "SLEEP"})}};
  }
}

// Any name with any number of arguments.
MadeCommand CommandMaker::WrongCommand() {
  using namespace std::string_view_literals;
  MadeCommand command;
  command.words = {AnyCase(
      Pick({"APPEND", "DECR",    "DECRBY",    "GET",         "GETDEL",     "GETEX",       "GETSET",
            "INCR",   "INCRBY",  "MGET",      "MSET",        "MSETNX",     "PSETEX",      "SET",
            "SETEX",  "SETNX",   "STRLEN",    "DBSIZE",      "DEL",        "EXISTS",      "KEYS",
            "TYPE",   "UNLINK",  "EXPIRE",    "EXPIREAT",    "EXPIRETIME", "PERSIST",     "PEXPIRE",
            "PTTL",   "TTL",     "PEXPIREAT", "PEXPIRETIME", "ECHO",       "SELECT",      "PING",
            "LCS",    "TOUCH",   "RENAME",    "RENAMENX",    "COPY",       "MOVE",        "SWAPDB",
            "OBJECT", "MEMORY",  "SETRANGE",  "GETRANGE",    "SUBSTR",     "INCRBYFLOAT", "TIME",
            "NOSUCH", "G\r\nT",  "AUTH",      "CLIENT",      "CONFIG",     "RANDOMKEY",   "PUT",
            "RESET",  "COMMAND", "HELLO",     "DEBUG"}))};
  const std::string name = command.words[0];
  for (uint64_t i = random_.Uniform(5); i-- > 0;) {
    command.words.push_back(random_.OneIn(40) ? std::string(200, 'q')
                                              : Pick({"x"sv, "y z"sv, ""sv, "\r\n"sv, "a\0b"sv}));
  }
  const auto is = [&](std::string_view other) {
    return name.size() == other.size() &&
           std::equal(name.begin(), name.end(), other.begin(),
                      [](char a, char b) { return (a & ~0x20) == (b & ~0x20); });
  };
  // By chance they are right.
  if (is("KEYS")) command.check = MadeCommand::Check::kAnyOrder;
  if (is("HELLO")) command.check = MadeCommand::Check::kHello;
  if (is("COMMAND") && command.words.size() == 1) command.words.push_back("x");
  for (const std::string_view time : {"TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"}) {
    if (is(time)) command.check = MadeCommand::Check::kTime;
  }
  if (is("DBSIZE") || is("RANDOMKEY") || is("RESET") || is("TIME")) command.words.resize(3, "x");
  return command;
}

MadeCommand CommandMaker::Next() {
  if (!queue_.empty()) {
    MadeCommand command = std::move(queue_.front());
    queue_.pop_front();
    return command;
  }
  MadeCommand command;
  const uint64_t kind = random_.Uniform(1000);
  if (kind < 170) {
    command = StringCommand();
  } else if (kind < 240) {
    command = CounterCommand();
  } else if (kind < 310) {
    command = PartCommand();
  } else if (kind < 370) {
    command = MoveCommand();
  } else if (kind < 390) {
    command = ObjectCommand();
  } else if (kind < 500) {
    command = SetCommand();
  } else if (kind < 570) {
    command = ExpiringSet();
  } else if (kind < 690) {
    command = MultiKeyCommand();
  } else if (kind < 780) {
    command = ExpireCommand();
  } else if (kind < 850) {
    command = TtlCommand();
  } else if (kind < 890) {
    command = KeyCommand();
  } else if (kind < 900) {
    command = ScanCommand();
  } else if (kind < 905) {
    command = FlushCommand();
  } else if (kind < 915) {
    command = SizeCommand();
  } else if (kind < 945) {
    command = ConnectionCommand();
  } else if (kind < 960) {
    command = ServerCommand();
  } else {
    command = WrongCommand();
  }
  size_t bytes = 0;
  for (const std::string& word : command.words) bytes += word.size();
  command.is_inline = bytes < 8000 && random_.OneIn(30);
  return command;
}

MadeCommand CommandMaker::NextAlone() {
  MadeCommand command;
  do {
    const uint64_t kind = random_.Uniform(100);
    if (kind < 35) {
      command = random_.OneIn(2) ? StringCommand() : CounterCommand();
    } else if (kind < 50) {
      command = random_.OneIn(2) ? SetCommand() : ExpiringSet();
    } else if (kind < 60) {
      command = MultiKeyCommand();
    } else if (kind < 70) {
      command = random_.OneIn(2) ? ExpireCommand() : TtlCommand();
    } else if (kind < 80) {
      command = random_.OneIn(3) ? PartCommand() : MoveCommand();
    } else if (kind < 88) {
      command = KeyCommand();
    } else if (kind < 90) {
      command = FlushCommand();
    } else if (kind < 99) {
      database_ = static_cast<int>(random_.Uniform(kDatabases));
      command = {{AnyCase("SELECT"), std::to_string(database_)}};
    } else {
      command = WrongCommand();
    }
  } while (command.wait_ms > 0 || command.check == MadeCommand::Check::kRandomKey);
  return command;
}

std::vector<MadeCommand> CommandMaker::Settle() {
  std::vector<MadeCommand> commands(queue_.begin(), queue_.end());
  queue_.clear();
  const int back = database_;
  for (int database = 0; database < kDatabases; ++database) {
    database_ = database;
    bool selected = false;
    for (const auto& [where, key] : expiring_) {
      if (where != database) continue;
      if (!selected) commands.push_back({{"SELECT", std::to_string(database)}});
      selected = true;
      commands.push_back({{"PERSIST", key}});
    }
  }
  expiring_.clear();
  database_ = back;
  commands.push_back({{"SELECT", std::to_string(back)}});
  return commands;
}

}  // namespace test_support
