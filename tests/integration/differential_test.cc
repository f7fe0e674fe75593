// SPDX-License-Identifier: BSD-3-Clause
// Sends the same random commands to varve-server and to redis-server and compares their replies:
//
//   differential_test build/varve-server /usr/bin/redis-check-rdb [COMMANDS [SEED]]
//
//   1. Make a batch of commands, send it to both as one pipeline, and compare reply by reply.
//      CommandMaker says which replies may differ, and in what.
//   2. After every kCheckpoint commands: let both agree about expired keys, then compare the digest
//      of all data and the counts of keys and of expiries in each database. Sometimes varve-server
//      is killed and started again before, or reloads its data.
//   3. Some commands are sent as a transaction: MULTI, the commands, EXEC or DISCARD, with WATCH
//      before and another connection that writes in between.
//   4. The first difference is printed with the seed and the commands before it.
//
// Debian's redis-check-rdb is redis-server under another name.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "resp/reply_parser.h"
#include "tests/support/command_maker.h"
#include "tests/support/program.h"
#include "tests/support/server_process.h"

namespace {

using test_support::CommandMaker;
using test_support::MadeCommand;
using test_support::ServerProcess;
using Check = MadeCommand::Check;

constexpr uint64_t kDefaultCommands = 20'000;
constexpr uint64_t kCheckpoint = 2'000;
constexpr size_t kMaxBatch = 32;
constexpr size_t kHistory = 40;

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "differential_test: %s\n", why.c_str());
  std::exit(2);
}

struct Answer {
  std::string bytes;
  resp::Value value;
};

// A connection that speaks both versions of the protocol.
class Wire {
 public:
  explicit Wire(int port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      Die("cannot connect");
    }
    const timeval timeout{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  }
  ~Wire() { ::close(socket_); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) Die("a server closed its connection");
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }

  Answer Receive() {
    while (true) {
      Answer answer;
      size_t consumed = 0;
      std::string error;
      switch (resp::ParseReply(received_, &answer.value, &consumed, &error)) {
        case resp::ReplyOutcome::kReply:
          answer.bytes = received_.substr(0, consumed);
          received_.erase(0, consumed);
          return answer;
        case resp::ReplyOutcome::kError:
          Die("not a reply: " + error + ": " + received_.substr(0, 200));
        case resp::ReplyOutcome::kNeedMore:
          break;
      }
      char buffer[65536];
      const ssize_t count = ::recv(socket_, buffer, sizeof(buffer), 0);
      if (count <= 0) Die("no reply");
      received_.append(buffer, static_cast<size_t>(count));
    }
  }

  Answer Call(const std::vector<std::string>& words) {
    Send(test_support::Encode({.words = words}));
    return Receive();
  }

 private:
  const int socket_;
  std::string received_;
};

// One of the two servers, and the connection to it.
class Side {
 public:
  Side(std::string binary, std::string directory, std::vector<std::string> arguments)
      : binary_(std::move(binary)),
        directory_(std::move(directory)),
        arguments_(std::move(arguments)),
        port_(test_support::FreePort()) {
    Start();
  }

  Wire& wire() { return *wire_; }
  // Another client.
  Wire& rival() { return *rival_; }
  void Reconnect() {
    wire_ = std::make_unique<Wire>(port_);
    rival_ = std::make_unique<Wire>(port_);
  }
  void KillAndRestart() {
    server_->Kill();
    Start();
  }
  int Stop() { return server_->Terminate(); }

 private:
  void Start() {
    server_ = std::make_unique<ServerProcess>(binary_, directory_, port_, arguments_);
    if (!server_->WaitUntilReady(20'000)) Die(binary_ + " does not start");
    Reconnect();
  }

  const std::string binary_;
  const std::string directory_;
  const std::vector<std::string> arguments_;
  const int port_;
  std::unique_ptr<ServerProcess> server_;
  std::unique_ptr<Wire> wire_;
  std::unique_ptr<Wire> rival_;
};

std::vector<std::string> Sorted(const resp::Value& value) {
  std::vector<std::string> texts;
  for (const resp::Value& element : value.elements) texts.push_back(element.ToString());
  std::sort(texts.begin(), texts.end());
  return texts;
}

// What stands behind `name` up to a blank.
std::string Field(const std::string& text, const std::string& name) {
  const size_t at = text.find(name);
  return at == std::string::npos ? "" : text.substr(at, text.find(' ', at) - at);
}

// A map's elements without those that name what is a server's own.
std::string WithoutOwn(const resp::Value& value) {
  std::string text;
  for (size_t i = 0; i + 1 < value.elements.size(); i += 2) {
    const std::string& name = value.elements[i].text;
    text += name + "=";
    if (name != "version" && name != "id") text += value.elements[i + 1].ToString();
    text += " ";
  }
  return text;
}

bool AreNear(const resp::Value& a, const resp::Value& b) {
  constexpr int64_t kMaxDifference = 5000;  // milliseconds, or what is less, seconds
  if (a.type != resp::Value::Type::kInteger || b.type != a.type) return false;
  if (a.integer < 0 || b.integer < 0) return a.integer == b.integer;
  return std::abs(a.integer - b.integer) <= kMaxDifference;
}

// Replies to the same command. Scans and random keys are followed up elsewhere.
bool Agree(const Answer& varve, const Answer& redis, Check check) {
  if (varve.bytes == redis.bytes) return true;
  const resp::Value& a = varve.value;
  const resp::Value& b = redis.value;
  if (a.type != b.type || a.type == resp::Value::Type::kError) return false;
  switch (check) {
    case Check::kExact:
      return false;
    case Check::kTransaction:
      return a.elements.size() == b.elements.size();
    case Check::kAnyOrder:
      return Sorted(a) == Sorted(b);
    case Check::kTime:
      return AreNear(a, b);
    case Check::kRandomKey:
      return a.type == resp::Value::Type::kBulk;
    case Check::kScan:
      return a.elements.size() == 2 && b.elements.size() == 2;
    case Check::kHello:
      return WithoutOwn(a) == WithoutOwn(b);
    case Check::kEncoding:
      return Field(a.text, "encoding:") == Field(b.text, "encoding:");
  }
  return false;
}

class Comparison {
 public:
  Comparison(Side* varve, Side* redis, uint64_t seed)
      : varve_(varve), redis_(redis), seed_(seed), maker_(seed) {}

  // False after a difference, which was printed.
  bool Run(uint64_t commands);
  uint64_t sent() const { return sent_; }
  // Transactions that were executed, and that were not because of WATCH.
  uint64_t executed() const { return executed_; }
  uint64_t prevented() const { return prevented_; }

 private:
  bool RunBatch(const std::vector<MadeCommand>& batch);
  bool FollowScan(const MadeCommand& command, const Answer& varve, const Answer& redis);
  bool FollowRandomKey(const Answer& varve, const Answer& redis);
  bool RunTransaction();
  // Sends a command to both and compares; `varve` and `redis` are told the answers.
  bool RunOne(const MadeCommand& command, bool by_rival, Answer* varve, Answer* redis);
  bool RunOne(const std::vector<std::string>& words) {
    Answer varve;
    Answer redis;
    return RunOne({.words = words}, /*by_rival=*/false, &varve, &redis);
  }
  bool RunRival();
  // EXEC's reply: element by element, each as its command asks for.
  bool RunExec(const std::vector<MadeCommand>& queued);
  bool RunCheckpoint();
  void Restart();
  bool Compare(const std::vector<std::string>& words) { return RunBatch({{.words = words}}); }
  bool Differ(const std::string& varve, const std::string& redis);

  Side* const varve_;
  Side* const redis_;
  const uint64_t seed_;
  CommandMaker maker_;
  std::deque<std::string> history_;
  uint64_t sent_ = 0;
  uint64_t executed_ = 0;
  uint64_t prevented_ = 0;
};

bool Comparison::Differ(const std::string& varve, const std::string& redis) {
  constexpr size_t kLongest = 600;
  std::printf("seed %llu, after %llu commands; the last ones:\n",
              static_cast<unsigned long long>(seed_), static_cast<unsigned long long>(sent_));
  for (const std::string& line : history_) std::printf("  %s\n", line.c_str());
  std::printf("varve-server: %s\nredis-server: %s\n", varve.substr(0, kLongest).c_str(),
              redis.substr(0, kLongest).c_str());
  return false;
}

bool Comparison::RunBatch(const std::vector<MadeCommand>& batch) {
  std::string bytes;
  for (const MadeCommand& command : batch) bytes += test_support::Encode(command);
  varve_->wire().Send(bytes);
  redis_->wire().Send(bytes);
  for (const MadeCommand& command : batch) {
    const Answer varve = varve_->wire().Receive();
    const Answer redis = redis_->wire().Receive();
    ++sent_;
    history_.push_back(test_support::Describe(command));
    if (history_.size() > kHistory) history_.pop_front();
    if (!Agree(varve, redis, command.check)) {
      return Differ(varve.value.ToString(), redis.value.ToString());
    }
    if (command.check == Check::kScan && !FollowScan(command, varve, redis)) return false;
    if (command.check == Check::kRandomKey && !FollowRandomKey(varve, redis)) return false;
  }
  const int64_t wait_ms = batch.empty() ? 0 : batch.back().wait_ms;
  if (wait_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms));
  return true;
}

// Goes on with a scan to its end on both servers. REQUIRES: it is the last command of its batch
bool Comparison::FollowScan(const MadeCommand& command, const Answer& varve, const Answer& redis) {
  if (varve.value.elements.size() != 2 ||
      command.words[1].find_first_not_of("+0") != std::string::npos) {
    return true;  // an error, or a cursor that was not the beginning
  }
  std::set<std::string> keys[2];
  Answer answers[2] = {varve, redis};
  Side* const sides[2] = {varve_, redis_};
  for (size_t i = 0; i < 2; ++i) {
    std::vector<std::string> words = command.words;
    while (true) {
      const auto& elements = answers[i].value.elements;
      if (elements.size() != 2) return Differ(varve.value.ToString(), redis.value.ToString());
      for (const resp::Value& key : elements[1].elements) keys[i].insert(key.ToString());
      words[1] = elements[0].text;
      if (words[1] == "0") break;
      answers[i] = sides[i]->wire().Call(words);
    }
  }
  if (keys[0] == keys[1]) return true;
  std::string texts[2];
  for (size_t i = 0; i < 2; ++i) {
    for (const std::string& key : keys[i]) {
      if (!keys[1 - i].contains(key)) texts[i] += "only here: " + key + " ";
    }
  }
  return Differ(texts[0], texts[1]);
}

// REQUIRES: it is the last command of its batch
bool Comparison::FollowRandomKey(const Answer& varve, const Answer& redis) {
  if (varve.value.type != resp::Value::Type::kBulk) return true;
  return Compare({"EXISTS", varve.value.text, redis.value.text});
}

void Comparison::Restart() {
  if (maker_.random().OneIn(2)) {
    varve_->KillAndRestart();
  } else {
    if (varve_->wire().Call({"DEBUG", "RELOAD"}).bytes != "+OK\r\n") Die("DEBUG RELOAD");
    varve_->Reconnect();
  }
  redis_->Reconnect();
  maker_.Reconnected();
}

bool Comparison::RunOne(const MadeCommand& command, bool by_rival, Answer* varve, Answer* redis) {
  Wire& to_varve = by_rival ? varve_->rival() : varve_->wire();
  Wire& to_redis = by_rival ? redis_->rival() : redis_->wire();
  to_varve.Send(test_support::Encode(command));
  to_redis.Send(test_support::Encode(command));
  *varve = to_varve.Receive();
  *redis = to_redis.Receive();
  ++sent_;
  history_.push_back((by_rival ? "rival: " : "") + test_support::Describe(command));
  if (history_.size() > kHistory) history_.pop_front();
  return Agree(*varve, *redis, command.check) ||
         Differ(varve->value.ToString(), redis->value.ToString());
}

bool Comparison::RunRival() {
  const int back = maker_.database();
  maker_.set_database(0);
  Answer varve;
  Answer redis;
  if (!RunOne({.words = {"SELECT", "0"}}, /*by_rival=*/true, &varve, &redis)) return false;
  for (uint64_t count = 1 + maker_.random().Uniform(3); count > 0; --count) {
    const MadeCommand command = maker_.NextAlone();
    // A key that is set with its end in the past was never there for varve-server, and was for
    // redis-server: whoever watches it can tell.
    const bool may_end_before =
        std::any_of(command.words.begin(), command.words.end(), [](const std::string& word) {
          return word.size() == 4 && (word[2] == 'A' || word[2] == 'a') &&
                 (word[3] == 'T' || word[3] == 't');
        });
    if (may_end_before) continue;
    if (!RunOne(command, /*by_rival=*/true, &varve, &redis)) return false;
  }
  maker_.set_database(back);
  return true;
}

bool Comparison::RunExec(const std::vector<MadeCommand>& queued) {
  // One reply for all of them: what differs is looked at below.
  MadeCommand exec{.words = {"EXEC"}, .check = Check::kTransaction};
  Answer varve;
  Answer redis;
  if (!RunOne(exec, /*by_rival=*/false, &varve, &redis)) return false;
  if (varve.value.type == resp::Value::Type::kNull) ++prevented_;
  if (varve.value.type != resp::Value::Type::kArray) return true;
  ++executed_;
  if (varve.value.elements.size() != queued.size()) return Differ("other commands queued", "");
  for (size_t i = 0; i < queued.size(); ++i) {
    const resp::Value& a = varve.value.elements[i];
    const resp::Value& b = redis.value.elements[i];
    if (Agree({a.ToString(), a}, {b.ToString(), b}, queued[i].check)) continue;
    history_.push_back("of which: " + test_support::Describe(queued[i]));
    return Differ(a.ToString(), b.ToString());
  }
  return true;
}

bool Comparison::RunTransaction() {
  lsm::Random& random = maker_.random();
  if (random.OneIn(2)) {
    std::vector<std::string> watch = {"WATCH"};
    for (uint64_t keys = 1 + random.Uniform(8); keys > 0; --keys) watch.push_back(maker_.AnyKey());
    maker_.Reconnected();  // the rival writes to database 0
    if (!RunOne({"SELECT", "0"}) || !RunOne(watch)) return false;
    if (random.OneIn(2) && !RunRival()) return false;
  }
  if (!RunOne({"MULTI"})) return false;
  std::vector<MadeCommand> queued;
  for (uint64_t count = random.Uniform(12); count > 0; --count) {
    const MadeCommand command = maker_.NextAlone();
    Answer varve;
    Answer redis;
    if (!RunOne(command, /*by_rival=*/false, &varve, &redis)) return false;
    if (varve.bytes == "+QUEUED\r\n") queued.push_back(command);
    if (random.OneIn(30) && !RunRival()) return false;
  }
  if (random.OneIn(12) ? !RunOne({"DISCARD"}) : !RunExec(queued)) return false;
  // Which database a transaction ended in depends on whether it was executed.
  maker_.Reconnected();
  return RunOne({"SELECT", "0"});
}

bool Comparison::RunCheckpoint() {
  if (!RunBatch(maker_.Settle())) return false;
  if (maker_.random().OneIn(4)) Restart();
  if (!Compare({"DEBUG", "DIGEST"})) return false;
  // "db0:keys=3,expires=1,avg_ttl=...": without what is an estimate.
  std::string counts[2];
  Side* const sides[2] = {varve_, redis_};
  for (size_t i = 0; i < 2; ++i) {
    const std::string info = sides[i]->wire().Call({"INFO", "keyspace"}).value.text;
    for (size_t at = info.find("\ndb"); at != std::string::npos; at = info.find("\ndb", at + 1)) {
      counts[i] += info.substr(at, info.find(",avg_ttl", at) - at);
    }
  }
  return counts[0] == counts[1] || Differ(counts[0], counts[1]);
}

bool Comparison::Run(uint64_t commands) {
  uint64_t next_checkpoint = kCheckpoint;
  while (sent_ < commands) {
    if (maker_.random().OneIn(6) && !RunTransaction()) return false;
    std::vector<MadeCommand> batch;
    for (uint64_t size = 1 + maker_.random().Uniform(kMaxBatch); batch.size() < size;) {
      batch.push_back(maker_.Next());
      const MadeCommand& last = batch.back();
      if (last.wait_ms > 0 || last.check == Check::kScan || last.check == Check::kRandomKey) break;
    }
    if (!RunBatch(batch)) return false;
    if (sent_ < next_checkpoint) continue;
    if (!RunCheckpoint()) return false;
    next_checkpoint = sent_ + kCheckpoint;
  }
  return RunCheckpoint();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) Die("VARVE-SERVER REDIS-CHECK-RDB [COMMANDS [SEED]]");
  const uint64_t commands = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : kDefaultCommands;
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  const uint64_t seed = argc > 4 ? std::strtoull(argv[4], nullptr, 10) : static_cast<uint64_t>(now);

  const test_support::TemporaryDirectory directory;
  const std::string redis_binary = directory.path() + "/redis-server";
  if (::symlink(argv[2], redis_binary.c_str()) != 0) Die("symlink");
  for (const char* name : {"/varve", "/redis"}) {
    if (::mkdir((directory.path() + name).c_str(), 0700) != 0) Die("mkdir");
  }
  Side varve(argv[1], directory.path() + "/varve",
             {"--enable-debug-command", "yes", "--memtable-size", "1mb"});
  Side redis(redis_binary, directory.path() + "/redis",
             {"--enable-debug-command", "yes", "--save", "", "--appendonly", "no"});
  Comparison comparison(&varve, &redis, seed);
  const bool agree = comparison.Run(commands);
  const int status = varve.Stop();
  std::printf(
      "seed %llu: %llu commands compared, %llu EXECs executed, %llu prevented by WATCH%s\n",
      static_cast<unsigned long long>(seed), static_cast<unsigned long long>(comparison.sent()),
      static_cast<unsigned long long>(comparison.executed()),
      static_cast<unsigned long long>(comparison.prevented()), agree ? "" : ", then a difference");
  if (status != 0) std::printf("varve-server ended with status %d\n", status);
  return agree && status == 0 ? 0 : 1;
}
