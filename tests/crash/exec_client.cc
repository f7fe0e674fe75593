// SPDX-License-Identifier: BSD-3-Clause
#include "tests/crash/exec_client.h"

#include <cstdlib>

namespace crash {

namespace {

using test_support::Call;
using test_support::Reply;

// Shared with the other clients.
constexpr int kSharedDatabases[] = {1, 2, 3};
constexpr int kFirstOwnDatabase = 4;
// One transaction in so many flushes the client's own database first.
constexpr int64_t kFlushEvery = 5;

// Keys "at:..." in the own database after the n-th transaction: those since the last flush.
int64_t KeysSinceFlush(int64_t n) { return n < kFlushEvery ? n : n % kFlushEvery + 1; }

}  // namespace

ExecClient::ExecClient(int number, uint64_t seed)
    : key_("exec" + std::to_string(number)),
      own_database_(kFirstOwnDatabase + number),
      random_(seed) {}

ExecClient::Commands ExecClient::MakeTransaction(int64_t n) {
  const std::string number = std::to_string(n);
  Commands commands;
  for (const int database : kSharedDatabases) {
    commands.push_back({"SELECT", std::to_string(database)});
    commands.push_back({"SET", key_, number});
    if (random_.OneIn(3)) {
      commands.push_back({"SET", key_ + ":filler", std::string(random_.Uniform(2000), 'f')});
    }
    commands.push_back({"INCR", key_ + ":counter"});
  }
  commands.push_back({"SELECT", std::to_string(own_database_)});
  if (n % kFlushEvery == 0) commands.push_back({"FLUSHDB"});
  commands.push_back({"SET", "at:" + number, number});
  commands.push_back({"SET", key_, number});
  return commands;
}

void ExecClient::Send(redisContext* context, int64_t n) {
  redisAppendCommand(context, "MULTI");
  for (const auto& command : MakeTransaction(n)) {
    std::vector<const char*> argv;
    std::vector<size_t> lengths;
    for (const std::string& word : command) {
      argv.push_back(word.data());
      lengths.push_back(word.size());
    }
    redisAppendCommandArgv(context, static_cast<int>(argv.size()), argv.data(), lengths.data());
  }
  redisAppendCommand(context, "EXEC");
}

bool ExecClient::Load(redisContext* context, std::string* fault) {
  while (true) {
    for (uint64_t i = 1 + random_.Uniform(8); i > 0; --i) Send(context, ++sent_);
    while (acknowledged_ < sent_) {
      void* raw = nullptr;
      if (redisGetReply(context, &raw) != REDIS_OK) return true;  // killed
      const Reply reply(static_cast<redisReply*>(raw));
      if (reply->type == REDIS_REPLY_ERROR) {
        *fault = key_ + " was answered " + reply->str;
        return false;
      }
      if (reply->type == REDIS_REPLY_ARRAY) ++acknowledged_;  // of EXEC; the others are QUEUED
    }
  }
}

int64_t ExecClient::NumberAt(redisContext* context, int database, const std::string& key) {
  const Reply selected = Call(context, {"SELECT", std::to_string(database)});
  const Reply value = Call(context, {"GET", key});
  if (!selected || !value || value->type == REDIS_REPLY_ERROR) return -1;
  return value->type == REDIS_REPLY_NIL ? 0 : std::atoll(value->str);
}

bool ExecClient::Verify(redisContext* context, std::string* fault) {
  const int64_t n = NumberAt(context, own_database_, key_);
  const std::string found = key_ + ": transaction " + std::to_string(n) + " is the last, ";
  const Reply size = Call(context, {"DBSIZE"});
  const int64_t expected = n == 0 ? 0 : KeysSinceFlush(n) + 1;
  if (!size || size->integer != expected) {
    *fault = found + "and not " + std::to_string(expected) + " keys are there";
    return false;
  }
  for (const int database : kSharedDatabases) {
    if (NumberAt(context, database, key_) != n ||
        NumberAt(context, database, key_ + ":counter") != n) {
      *fault = found + "but not whole: not in database " + std::to_string(database);
      return false;
    }
  }
  if (n < acknowledged_ || n > sent_) {
    *fault = found + "of " + std::to_string(acknowledged_) + " acknowledged and " +
             std::to_string(sent_) + " sent";
    return false;
  }
  acknowledged_ = n;
  sent_ = n;
  return static_cast<bool>(Call(context, {"SELECT", "0"}));
}

}  // namespace crash
