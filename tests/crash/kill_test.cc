// SPDX-License-Identifier: BSD-3-Clause
// usage: kill_test --server BINARY [--rounds N] [--seed S] [--clients N] [--level LEVEL]
//
// Kills a server with SIGKILL under concurrent load, starts it again - sometimes killing it during
// the start as well - and demands what is promised at every `appendfsync` level when a process
// dies:
//
//   1. Nothing acknowledged is lost. Each client owns its keys and pipelines write units; what is
//      found after the restart must equal the state after some prefix of the units it sent that
//      includes every unit it has seen acknowledged. A half-applied MSET equals no prefix.
//   2. Order holds between connections: one client writes `first = n` and, when that is
//      acknowledged, another writes `second = n`; second > first must never be found.
//   3. DBSIZE is the number of keys that a SCAN returns.
//   4. Each EXEC, over several databases, is there whole or not at all (exec_client.h).
//
// A server that commits each command of EXEC alone is found out within a few rounds.
//
// Prints the seed; the same seed sends the same units. Exit status 1 at the first violation, with
// the data directory kept.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "lsm/random.h"
#include "tests/crash/exec_client.h"
#include "tests/support/server_process.h"

namespace crash {
namespace {

using test_support::Call;
using test_support::Context;
using test_support::FreePort;
using test_support::Reply;
using test_support::ServerProcess;

using State = std::map<std::string, std::string>;

struct Unit {
  std::vector<std::string> command;
  std::string expected;  // the reply, as text
};

constexpr int kKeysPerClient = 60;
constexpr int kExecClients = 3;

// One client's keys: what it has been told is stored, and what it has sent without an answer.
class Client {
 public:
  Client(int number, uint64_t seed) : prefix_("c" + std::to_string(number) + ":"), random_(seed) {}

  // Pipelines units until the connection breaks. False if a reply was wrong.
  bool Load(redisContext* context, std::string* fault);
  // Compares with the server, and goes on from the prefix that was found.
  bool Verify(redisContext* context, std::string* fault);

  uint64_t acknowledged() const { return acknowledged_total_; }

 private:
  std::string Key() { return prefix_ + std::to_string(random_.Uniform(kKeysPerClient)); }
  std::string NewValue() {
    std::string value(1 + random_.Uniform(300), ' ');
    for (char& c : value) c = static_cast<char>(random_.Next32());
    return value;
  }
  Unit NextUnit();
  static void Apply(const Unit& unit, State* state);

  const std::string prefix_;
  lsm::Random random_;
  State acknowledged_;
  State sent_;  // acknowledged_ after all of pending_
  std::deque<Unit> pending_;
  uint64_t acknowledged_total_ = 0;
};

void Client::Apply(const Unit& unit, State* state) {
  const auto& words = unit.command;
  if (words[0] == "DEL") {
    for (size_t i = 1; i < words.size(); ++i) state->erase(words[i]);
  } else if (words[0] == "INCR") {
    (*state)[words[1]] = unit.expected;
  } else if (words[0] == "APPEND") {
    (*state)[words[1]] += words[2];
  } else {
    for (size_t i = 1; i + 1 < words.size(); i += 2) (*state)[words[i]] = words[i + 1];
  }
}

Unit Client::NextUnit() {
  switch (random_.Uniform(6)) {
    case 0: {
      const std::string a = Key();
      const std::string b = Key();
      const size_t present = sent_.count(a) + (a == b ? 0 : sent_.count(b));
      return {{"DEL", a, b}, std::to_string(present)};
    }
    case 1: {
      const std::string key = prefix_ + "counter";
      const auto found = sent_.find(key);
      const long value = found == sent_.end() ? 0 : std::atol(found->second.c_str());
      return {{"INCR", key}, std::to_string(value + 1)};
    }
    case 2: {
      const std::string key = Key();
      const std::string tail = NewValue();
      const auto found = sent_.find(key);
      const size_t size = (found == sent_.end() ? 0 : found->second.size()) + tail.size();
      if (size > 4000) return {{"SET", key, tail}, "OK"};
      return {{"APPEND", key, tail}, std::to_string(size)};
    }
    case 3:
      return {{"SET", Key(), NewValue()}, "OK"};
    default: {
      // The same value under several keys: half of it would be seen.
      Unit unit{{"MSET"}, "OK"};
      const std::string value = NewValue();
      for (uint64_t i = 2 + random_.Uniform(6); i > 0; --i) {
        unit.command.push_back(Key());
        unit.command.push_back(value);
      }
      return unit;
    }
  }
}

std::string Text(const redisReply& reply) {
  if (reply.type == REDIS_REPLY_INTEGER) return std::to_string(reply.integer);
  if (reply.type == REDIS_REPLY_NIL) return "(nil)";
  return std::string(reply.str, reply.len);
}

bool Client::Load(redisContext* context, std::string* fault) {
  while (true) {
    const uint64_t batch = 1 + random_.Uniform(20);
    for (uint64_t i = 0; i < batch; ++i) {
      pending_.push_back(NextUnit());
      Apply(pending_.back(), &sent_);
      std::vector<const char*> argv;
      std::vector<size_t> lengths;
      for (const std::string& word : pending_.back().command) {
        argv.push_back(word.data());
        lengths.push_back(word.size());
      }
      redisAppendCommandArgv(context, static_cast<int>(argv.size()), argv.data(), lengths.data());
    }
    for (uint64_t i = 0; i < batch; ++i) {
      void* raw = nullptr;
      if (redisGetReply(context, &raw) != REDIS_OK) return true;  // killed
      const Reply reply(static_cast<redisReply*>(raw));
      if (Text(*reply) != pending_.front().expected) {
        *fault = prefix_ + " " + pending_.front().command[0] + " answered " + Text(*reply) +
                 " instead of " + pending_.front().expected;
        return false;
      }
      Apply(pending_.front(), &acknowledged_);
      pending_.pop_front();
      ++acknowledged_total_;
    }
  }
}

// Everything the server holds, by SCAN and MGET.
bool ReadAll(redisContext* context, State* state, std::string* fault) {
  std::string cursor = "0";
  do {
    const Reply page = Call(context, {"SCAN", cursor, "COUNT", "500"});
    if (!page || page->type != REDIS_REPLY_ARRAY || page->elements != 2) {
      *fault = "SCAN: " + (page ? Text(*page) : std::string("no reply"));
      return false;
    }
    cursor = page->element[0]->str;
    std::vector<std::string> get = {"MGET"};
    for (size_t i = 0; i < page->element[1]->elements; ++i) {
      const redisReply& key = *page->element[1]->element[i];
      get.emplace_back(key.str, key.len);
    }
    if (get.size() == 1) continue;
    const Reply values = Call(context, get);
    if (!values || values->type != REDIS_REPLY_ARRAY) {
      *fault = "MGET: " + (values ? Text(*values) : std::string("no reply"));
      return false;
    }
    for (size_t i = 0; i < values->elements; ++i) (*state)[get[i + 1]] = Text(*values->element[i]);
  } while (cursor != "0");
  return true;
}

bool Client::Verify(redisContext* context, std::string* fault) {
  State all;
  if (!ReadAll(context, &all, fault)) return false;
  State found;
  for (auto& [key, value] : all) {
    if (key.starts_with(prefix_)) found.emplace(key, value);
  }
  State candidate = acknowledged_;
  size_t units = 0;
  while (candidate != found) {
    if (units == pending_.size()) {
      *fault = prefix_ + " what is stored equals no prefix of what was sent: " +
               std::to_string(acknowledged_total_) + " units acknowledged, " +
               std::to_string(pending_.size()) + " unanswered, " + std::to_string(found.size()) +
               " keys found, " + std::to_string(acknowledged_.size()) + " expected";
      return false;
    }
    Apply(pending_[units++], &candidate);
  }
  acknowledged_total_ += units;
  acknowledged_ = candidate;
  sent_ = candidate;
  pending_.clear();
  return true;
}

struct Settings {
  std::string server;
  std::string level;
  int rounds = 30;
  int clients = 4;
  uint64_t seed = 1;
};

class Run {
 public:
  explicit Run(const Settings& settings) : settings_(settings), random_(settings.seed) {
    char name[] = "/tmp/varve-kill.XXXXXX";
    if (::mkdtemp(name) == nullptr) std::abort();
    top_ = name;
    directory_ = top_ + "/data";
    std::filesystem::create_directory(directory_);
    for (int i = 0; i < settings.clients; ++i) clients_.emplace_back(i, random_.Next64());
    for (int i = 0; i < kExecClients; ++i) exec_clients_.emplace_back(i, random_.Next64());
  }

  bool Rounds() {
    for (int round = 0; round < settings_.rounds; ++round) {
      if (!Round(round)) {
        std::printf("VIOLATION at %s, seed %llu, round %d: %s\n  kept: %s\n",
                    settings_.level.c_str(), static_cast<unsigned long long>(settings_.seed), round,
                    fault_.c_str(), top_.c_str());
        return false;
      }
    }
    uint64_t units = 0;
    for (const Client& client : clients_) units += client.acknowledged();
    uint64_t transactions = 0;
    for (const ExecClient& client : exec_clients_) {
      transactions += static_cast<uint64_t>(client.acknowledged());
    }
    std::printf(
        "%-9s %d rounds, %d kills while starting, %llu acknowledged units and %llu transactions, "
        "0 lost, 0 half-applied\n",
        settings_.level.c_str(), settings_.rounds, early_kills_,
        static_cast<unsigned long long>(units), static_cast<unsigned long long>(transactions));
    std::filesystem::remove_all(top_);
    return true;
  }

 private:
  std::unique_ptr<ServerProcess> Start() {
    return std::make_unique<ServerProcess>(
        settings_.server, directory_, FreePort(),
        std::vector<std::string>{"--appendfsync", settings_.level, "--memtable-size", "128kb",
                                 "--write-buffer-budget", "4mb", "--target-file-size", "256kb"});
  }

  bool Round(int round) {
    if (random_.OneIn(3)) {
      std::unique_ptr<ServerProcess> early = Start();
      std::this_thread::sleep_for(std::chrono::microseconds(random_.Uniform(40000)));
      early->Kill();
      ++early_kills_;
    }
    std::unique_ptr<ServerProcess> server = Start();
    if (!server->WaitUntilReady(20000)) return Fail("the server did not start");
    if (!Verify(*server)) return false;
    return Load(server.get(), round);
  }

  bool Verify(const ServerProcess& server) {
    const Context context = server.Connect();
    if (!context) return Fail("no connection");
    State all;
    if (!ReadAll(context.get(), &all, &fault_)) return false;
    const Reply size = Call(context.get(), {"DBSIZE"});
    if (!size || size->integer != static_cast<long long>(all.size())) {
      return Fail("DBSIZE says " + (size ? Text(*size) : "nothing") + ", SCAN returned " +
                  std::to_string(all.size()));
    }
    const long first = std::atol(all["pair:first"].c_str());
    const long second = std::atol(all["pair:second"].c_str());
    if (second > first) {
      return Fail("a later write is there (" + std::to_string(second) +
                  ") and an earlier one is not (" + std::to_string(first) + ")");
    }
    pair_ = first;
    for (Client& client : clients_) {
      if (!client.Verify(context.get(), &fault_)) return false;
    }
    for (ExecClient& client : exec_clients_) {
      if (!client.Verify(context.get(), &fault_)) return false;
    }
    return true;
  }

  // Two connections that take turns.
  void LoadPair(const ServerProcess& server) {
    const Context a = server.Connect();
    const Context b = server.Connect();
    while (a && b) {
      const std::string next = std::to_string(++pair_);
      if (!Call(a.get(), {"SET", "pair:first", next})) return;
      if (!Call(b.get(), {"SET", "pair:second", next})) return;
    }
  }

  bool Load(ServerProcess* server, int round) {
    std::atomic<bool> right = true;
    std::vector<std::string> faults(clients_.size() + exec_clients_.size());
    {
      std::vector<std::jthread> threads;
      for (size_t i = 0; i < clients_.size(); ++i) {
        threads.emplace_back([&, i] {
          const Context context = server->Connect();
          if (context && !clients_[i].Load(context.get(), &faults[i])) right = false;
        });
      }
      for (size_t i = 0; i < exec_clients_.size(); ++i) {
        threads.emplace_back([&, i] {
          const Context context = server->Connect();
          std::string* fault = &faults[clients_.size() + i];
          if (context && !exec_clients_[i].Load(context.get(), fault)) right = false;
        });
      }
      threads.emplace_back([&] { LoadPair(*server); });
      std::this_thread::sleep_for(
          std::chrono::milliseconds(20 + random_.Uniform(round % 10 == 0 ? 1500 : 200)));
      server->Kill();
    }
    for (const std::string& fault : faults) {
      if (!fault.empty()) fault_ = fault;
    }
    return right;
  }

  bool Fail(std::string fault) {
    fault_ = std::move(fault);
    return false;
  }

  const Settings settings_;
  lsm::Random random_;
  std::string top_;
  std::string directory_;
  std::deque<Client> clients_;
  std::deque<ExecClient> exec_clients_;
  long pair_ = 0;
  int early_kills_ = 0;
  std::string fault_;
};

int Main(int argc, char** argv) {
  Settings settings;
  settings.seed =
      static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--server") settings.server = argv[i + 1];
    if (name == "--rounds") settings.rounds = std::atoi(argv[i + 1]);
    if (name == "--clients") settings.clients = std::atoi(argv[i + 1]);
    if (name == "--level") settings.level = argv[i + 1];
    if (name == "--seed") settings.seed = std::strtoull(argv[i + 1], nullptr, 10);
  }
  if (settings.server.empty() || settings.rounds <= 0) {
    std::fprintf(stderr,
                 "usage: kill_test --server BINARY [--rounds N] [--seed S] "
                 "[--clients N] [--level always|everysec|no]\n");
    return 2;
  }
  std::printf("seed %llu\n", static_cast<unsigned long long>(settings.seed));
  for (const char* level : {"always", "everysec", "no"}) {
    if (!settings.level.empty() && settings.level != level) continue;
    Settings one = settings;
    one.level = level;
    if (!Run(one).Rounds()) return 1;
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace crash

int main(int argc, char** argv) { return crash::Main(argc, argv); }
