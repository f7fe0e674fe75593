// SPDX-License-Identifier: BSD-3-Clause
// varve-server: reads its command line and configuration, and serves.

#include <fmt/format.h>
#include <sys/stat.h>

#include <csignal>
#include <string>
#include <vector>

#include "net/server.h"
#ifdef VARVE_JEMALLOC
#include "net/jemalloc.h"
#endif
#include "redis-compat/config.h"
#include "redis-compat/version.h"

namespace {

constexpr const char* kUsage =
    R"(usage: varve-server [file] [--directive value ...] [-]

  file                  a configuration file in the syntax of redis.conf
  -                     reads more configuration from standard input
  --directive value     sets what a line "directive value" would; the last one wins
  -v, --version         says which version this is
  -h, --help            says this

Examples:
  varve-server --dir /var/lib/varve
  varve-server /etc/varve.conf --port 7777 --loglevel verbose
  echo 'appendfsync always' | varve-server -
)";

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 1) {
    if (arguments[0] == "-v" || arguments[0] == "--version") {
      fmt::print("Varve server v={} redis_version={} malloc={} bits={}\n", redis::kVarveVersion,
                 redis::kRedisVersion, VARVE_MALLOC, 8 * sizeof(void*));
      return 0;
    }
    if (arguments[0] == "-h" || arguments[0] == "--help") {
      fmt::print("{}", kUsage);
      return 0;
    }
  }
  if (!arguments.empty() && (arguments[0] == "--test-memory" || arguments[0] == "--sentinel" ||
                             arguments[0] == "--check-system")) {
    fmt::print(stderr, "varve-server has no {}\n", arguments[0]);
    return 1;
  }

  // What the server makes is for its user alone. A client that goes away is an error of a write. A
  // terminal that goes away is no reason to stop, and tools that move logs send the same signal.
  umask(077);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  redis::Config config;
  if (const lsm::Status status = config.Load(arguments); !status.ok()) {
    fmt::print(stderr, "{}\n", status.message());
    return 1;
  }
#ifdef VARVE_JEMALLOC
  net::Jemalloc allocator(VARVE_MALLOC);
#else
  net::Allocator allocator(VARVE_MALLOC);
#endif
  return net::RunServer(&config, &allocator);
}
