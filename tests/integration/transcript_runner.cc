// SPDX-License-Identifier: BSD-3-Clause
// Runs transcripts against a server:
//
//   transcript_runner --address 127.0.0.1:6379 --kind varve FILE...
//   transcript_runner --spawn build/varve-server --kind varve FILE...
//   transcript_runner --spawn /usr/bin/redis-check-rdb --kind redis FILE...
//
// With --spawn the server runs in a directory of its own on a free port, restarts are real, and it
// is gone afterwards. Debian's redis-check-rdb is redis-server under another name.

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/program.h"
#include "tests/support/server_process.h"
#include "tests/support/socket_target.h"

namespace {

using test_support::ServerProcess;
using test_support::SocketTarget;

struct Arguments {
  std::string address;
  std::string binary;
  std::string kind = "varve";
  std::vector<std::string> files;
};

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "transcript_runner: %s\n", why.c_str());
  std::exit(2);
}

Arguments Parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (!word.starts_with("--")) {
      arguments.files.push_back(word);
      continue;
    }
    if (i + 1 == argc) Die(word + " needs a value");
    const std::string value = argv[++i];
    if (word == "--address") {
      arguments.address = value;
    } else if (word == "--spawn") {
      arguments.binary = value;
    } else if (word == "--kind") {
      arguments.kind = value;
    } else {
      Die("no such option: " + word);
    }
  }
  if (arguments.address.empty() == arguments.binary.empty()) Die("--address or --spawn");
  if (arguments.files.empty()) Die("no files");
  return arguments;
}

// A server of our own for as long as this lives.
class Spawned {
 public:
  Spawned(const std::string& binary, const std::string& kind)
      : data_(directory_.path() + "/data"),
        binary_(binary),
        kind_(kind),
        port_(test_support::FreePort()) {
    if (::mkdir(data_.c_str(), 0700) != 0) Die("cannot make " + data_);
    if (kind == "redis") {
      // The name it is called by decides which program it is.
      const std::string link = directory_.path() + "/redis-server";
      if (::symlink(binary.c_str(), link.c_str()) != 0) Die("cannot link " + link);
      binary_ = link;
    }
    Start();
  }
  void Restart() {
    if (kind_ == "redis") {
      // Whatever a transcript has made of its save points.
      SocketTarget saver("127.0.0.1", port_, kind_, [] {});
      if (saver.Exchange("1", "SAVE\r\n") != "+OK\r\n") Die("SAVE");
    }
    if (const int status = server_->Terminate(); status != 0) {
      Die("the server ended with status " + std::to_string(status));
    }
    Start();
  }
  int port() const { return port_; }

 private:
  void Start() {
    server_ = std::make_unique<ServerProcess>(
        binary_, data_, port_, std::vector<std::string>{"--enable-debug-command", "yes"});
    if (!server_->WaitUntilReady(20'000)) Die("the server does not start");
  }

  const test_support::TemporaryDirectory directory_;
  const std::string data_;
  std::string binary_;
  const std::string kind_;
  const int port_;
  std::unique_ptr<ServerProcess> server_;
};

// Empties the server; false if it does not answer.
bool Clean(SocketTarget* target) {
  const std::string flushed = target->Exchange("cleaner", "FLUSHALL\r\n");
  target->Disconnect("cleaner");
  return flushed == "+OK\r\n";
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = Parse(argc, argv);
  std::unique_ptr<Spawned> spawned;
  std::string host = "127.0.0.1";
  int port = 0;
  if (!arguments.binary.empty()) {
    spawned = std::make_unique<Spawned>(arguments.binary, arguments.kind);
    port = spawned->port();
  } else {
    const size_t colon = arguments.address.rfind(':');
    if (colon == std::string::npos) Die("--address HOST:PORT");
    host = arguments.address.substr(0, colon);
    port = std::atoi(arguments.address.c_str() + colon + 1);
  }

  size_t checks = 0;
  size_t failures = 0;
  for (const std::string& file : arguments.files) {
    SocketTarget target(host, port, arguments.kind, [&] {
      if (spawned != nullptr) return spawned->Restart();
      SocketTarget reloader(host, port, arguments.kind, [] {});
      if (reloader.Exchange("1", "DEBUG RELOAD\r\n") != "+OK\r\n") Die("DEBUG RELOAD");
    });
    if (!Clean(&target)) Die("the server does not answer FLUSHALL");
    const test_support::TranscriptResult result =
        test_support::RunTranscript(test_support::ReadTranscript(file), file, &target);
    checks += result.checks;
    failures += result.failures.size();
    for (const std::string& failure : result.failures) std::printf("%s\n", failure.c_str());
  }
  std::printf("%zu replies checked in %zu files, %zu failures\n", checks, arguments.files.size(),
              failures);
  return failures == 0 ? 0 : 1;
}
