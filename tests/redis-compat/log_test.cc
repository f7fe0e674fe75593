// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/log.h"

#include <doctest/doctest.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/redis-compat/temporary_directory.h"

namespace redis {
namespace {

class FixedClock : public lsm::Clock {
 public:
  int64_t NowMicros() override { return int64_t{1795169673} * 1000000 + 11999; }
  int64_t MonotonicMicros() override { return 0; }
};

std::string Contents(const std::string& path) {
  std::ostringstream all;
  all << std::ifstream(path).rdbuf();
  return all.str();
}

TEST_CASE("a log line has pid, role, local time, level and message") {
  const std::string line =
      Logger::FormatLine(4711, FixedClock().NowMicros(), lsm::LogLevel::kNotice, "Ready");
  const std::time_t seconds = 1795169673;
  std::tm local = {};
  localtime_r(&seconds, &local);
  char date[64];
  strftime(date, sizeof(date), "4711:M %d %b %Y %H:%M:%S.011 * Ready\n", &local);
  CHECK(line == date);
}

TEST_CASE("a message cannot begin a line of its own") {
  const std::string line = Logger::FormatLine(1, 0, lsm::LogLevel::kWarning, "a\r\n2:M forged\n");
  CHECK(line.find('\n') == line.size() - 1);
  CHECK(line.ends_with("# a  2:M forged \n"));
}

TEST_CASE("a log file gets the lines of its level and above, also after it was moved away") {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/log";
  FixedClock clock;
  auto logger = Logger::Open(path, lsm::LogLevel::kNotice, &clock);
  REQUIRE(logger.ok());
  (*logger)->Log(lsm::LogLevel::kVerbose, "quiet");
  (*logger)->Log(lsm::LogLevel::kWarning, "loud");
  CHECK(Contents(path).find("# loud\n") != std::string::npos);
  CHECK(Contents(path).find("quiet") == std::string::npos);
  std::filesystem::rename(path, path + ".1");
  (*logger)->set_level(lsm::LogLevel::kDebug);
  (*logger)->Log(lsm::LogLevel::kDebug, "next");
  CHECK(Contents(path).find(". next\n") != std::string::npos);
}

TEST_CASE("a log file that cannot be opened is an error at once") {
  FixedClock clock;
  const auto logger = Logger::Open("/nonexistent/x/log", lsm::LogLevel::kNotice, &clock);
  REQUIRE_FALSE(logger.ok());
  CHECK(logger.status().message() == "Can't open the log file: No such file or directory");
}

TEST_CASE("levels have Redis's names") {
  CHECK(ParseLogLevel("debug") == lsm::LogLevel::kDebug);
  CHECK(ParseLogLevel("warning") == lsm::LogLevel::kWarning);
  CHECK_FALSE(ParseLogLevel("loud").has_value());
}

}  // namespace
}  // namespace redis
