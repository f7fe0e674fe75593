// SPDX-License-Identifier: BSD-3-Clause
// usage: large_dataset_test SERVER [KEYS [MEGABYTES]]
//
// A data set much larger than its memtables: KEYS keys (1,000,000) of 100 incompressible bytes with
// memtables of 4 MB. While clients write, memtables rotate and are flushed; then
//   1. every key reads back;
//   2. SCAN returns each key exactly once, and DBSIZE counts them;
//   3. after DEL of every second key, DBSIZE is half, and so it is after a restart, where the kept
//      keys are found and the deleted ones are not;
//   4. the server's memory has stayed below MEGABYTES (300), whatever the number of keys:
//   memtables,
//      block cache, buffers and the allocator's slack.
// Prints the figures; exit status 1 at the first thing that does not hold.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "lsm/random.h"
#include "tests/support/server_process.h"

namespace {

using test_support::Call;
using test_support::Context;
using test_support::Reply;
using test_support::ServerProcess;

constexpr int kWriters = 4;
constexpr int kBatch = 500;

std::vector<std::string> Arguments() {
  return {"--memtable-size", "4mb", "--write-buffer-budget", "32mb", "--block-cache-size", "64mb"};
}

[[noreturn]] void Fail(const std::string& fault) {
  std::printf("FAILED: %s\n", fault.c_str());
  std::exit(1);
}

std::string Key(long i) { return "key:" + std::to_string(i); }

std::string Value(long i) {
  lsm::Random random(static_cast<uint64_t>(i) * 2654435761u + 1);
  std::string value(100, ' ');
  for (char& c : value) c = static_cast<char>(random.Next32());
  return value;
}

// Sends one command for each i in [from, to) with the given step, a pipeline at a time.
template <typename MakeCommand, typename CheckReply>
void Pipeline(redisContext* context, long from, long to, long step, const MakeCommand& make,
              const CheckReply& check) {
  while (from < to) {
    const long first = from;
    int sent = 0;
    for (; from < to && sent < kBatch; from += step, ++sent) {
      const std::vector<std::string> words = make(from);
      std::vector<const char*> argv;
      std::vector<size_t> lengths;
      for (const std::string& word : words) {
        argv.push_back(word.data());
        lengths.push_back(word.size());
      }
      redisAppendCommandArgv(context, static_cast<int>(argv.size()), argv.data(), lengths.data());
    }
    for (int i = 0; i < sent; ++i) {
      void* raw = nullptr;
      if (redisGetReply(context, &raw) != REDIS_OK) Fail(context->errstr);
      const Reply reply(static_cast<redisReply*>(raw));
      check(first + i * step, *reply);
    }
  }
}

void Write(const ServerProcess& server, long keys) {
  std::vector<std::jthread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&server, keys, w] {
      const Context context = server.Connect();
      if (!context) Fail("no connection");
      Pipeline(
          context.get(), w, keys, kWriters,
          [](long i) {
            return std::vector<std::string>{"SET", Key(i), Value(i)};
          },
          [](long i, const redisReply& reply) {
            if (reply.type != REDIS_REPLY_STATUS) Fail("SET " + Key(i) + ": " + reply.str);
          });
    });
  }
}

void ReadBack(redisContext* context, long keys, long step_of_deleted) {
  Pipeline(
      context, 0, keys, 1,
      [](long i) {
        return std::vector<std::string>{"GET", Key(i)};
      },
      [&](long i, const redisReply& reply) {
        if (step_of_deleted != 0 && i % step_of_deleted == 0) {
          if (reply.type != REDIS_REPLY_NIL) Fail(Key(i) + " is back");
          return;
        }
        if (reply.type != REDIS_REPLY_STRING || std::string(reply.str, reply.len) != Value(i)) {
          Fail(Key(i) + " does not read back");
        }
      });
}

void ScanOnce(redisContext* context, long keys) {
  std::vector<bool> seen(static_cast<size_t>(keys), false);
  long count = 0;
  std::string cursor = "0";
  do {
    const Reply page = Call(context, {"SCAN", cursor, "COUNT", "1000"});
    if (!page || page->type != REDIS_REPLY_ARRAY) Fail("SCAN");
    cursor = page->element[0]->str;
    for (size_t i = 0; i < page->element[1]->elements; ++i) {
      const std::string key = page->element[1]->element[i]->str;
      const auto index = static_cast<size_t>(std::atol(key.c_str() + 4));
      if (index >= seen.size() || seen[index]) Fail("SCAN returned " + key + " twice");
      seen[index] = true;
      ++count;
    }
  } while (cursor != "0");
  if (count != keys) Fail("SCAN returned " + std::to_string(count) + " keys");
}

void DemandSize(redisContext* context, long expected) {
  const Reply size = Call(context, {"DBSIZE"});
  if (!size || size->integer != expected) {
    Fail("DBSIZE is " + (size ? std::to_string(size->integer) : "nothing") + ", not " +
         std::to_string(expected));
  }
}

// The number behind `field:` in INFO, 0 if it is not there.
long InfoNumber(redisContext* context, const std::string& field) {
  const Reply info = Call(context, {"INFO", "everything"});
  const std::string text(info->str, info->len);
  const size_t at = text.find("\n" + field + ":");
  return at == std::string::npos ? 0 : std::atol(text.c_str() + at + field.size() + 2);
}

void Run(const std::string& binary, long keys, long limit, const std::string& top) {
  const std::string directory = top + "/data";
  std::filesystem::create_directory(directory);
  ServerProcess server(binary, directory, test_support::FreePort(), Arguments());
  if (!server.WaitUntilReady(20000)) Fail("the server did not start");
  Write(server, keys);
  Context context = server.Connect();
  const long flushes = InfoNumber(context.get(), "engine_flushes");
  const long rotations = InfoNumber(context.get(), "engine_rotations");
  if (keys >= 1000000 && (flushes < 10 || rotations < 10)) Fail("nothing was flushed meanwhile");
  const long resident_after_load = server.ResidentBytes();
  DemandSize(context.get(), keys);
  ReadBack(context.get(), keys, 0);
  ScanOnce(context.get(), keys);
  const long resident_after_reads = server.ResidentBytes();

  Pipeline(
      context.get(), 0, keys, 2,
      [](long i) {
        return std::vector<std::string>{"DEL", Key(i)};
      },
      [](long i, const redisReply& reply) {
        if (reply.integer != 1) Fail("DEL " + Key(i));
      });
  DemandSize(context.get(), keys / 2);
  context.reset();
  if (const int status = server.Terminate(); status != 0) Fail("exit " + std::to_string(status));

  ServerProcess again(binary, directory, test_support::FreePort(), Arguments());
  if (!again.WaitUntilReady(20000)) Fail("the server did not start again");
  context = again.Connect();
  DemandSize(context.get(), keys / 2);
  ReadBack(context.get(), keys, 2);
  std::printf(
      "%ld keys: %ld rotations, %ld flushes while loading; resident %ld MB after the load, "
      "%ld MB after all reads\n",
      keys, rotations, flushes, resident_after_load >> 20, resident_after_reads >> 20);
  if (std::max(resident_after_load, resident_after_reads) > limit << 20) {
    Fail("memory is not bounded");
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: large_dataset_test SERVER [KEYS]\n");
    return 2;
  }
  char name[] = "/tmp/varve-large.XXXXXX";
  if (::mkdtemp(name) == nullptr) return 2;
  Run(argv[1], argc > 2 ? std::atol(argv[2]) : 1000000, argc > 3 ? std::atol(argv[3]) : 300, name);
  std::filesystem::remove_all(name);
  return 0;
}
