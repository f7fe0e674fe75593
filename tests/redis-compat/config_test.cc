// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/config.h"

#include <doctest/doctest.h>

#include <set>

#include "redis-compat/command_line.h"
#include "redis-compat/config_table.h"
#include "tests/redis-compat/temporary_directory.h"

namespace redis {
namespace {

std::string Value(const Config& config, std::string_view name) {
  const auto found = config.Get(name);
  return found.size() == 1 ? found[0].second : "(" + std::to_string(found.size()) + " found)";
}

// The last line of what loading this text says; empty if it loads.
std::string LoadError(std::string_view text) {
  Config config;
  const lsm::Status status = config.LoadText(text);
  if (status.ok()) return "";
  std::string message(status.message());
  while (message.ends_with('\n')) message.pop_back();
  return message.substr(message.rfind('\n') + 1);
}

std::string SetError(Config* config,
                     const std::vector<std::pair<std::string, std::string>>& values) {
  const lsm::Status status = config->Set(values);
  return status.ok() ? "" : std::string(status.message());
}

TEST_CASE("no two directives share a name") {
  std::set<std::string_view> names;
  for (const Directive& directive : Directives()) {
    CAPTURE(directive.name);
    CHECK(names.insert(directive.name).second);
    if (!directive.alias.empty()) CHECK(names.insert(directive.alias).second);
  }
  CHECK(names.size() > 200);
}

TEST_CASE("the defaults of the table are those of Settings") {
  const Config config;
  const Settings& loaded = config.settings();
  const Settings plain;
  CHECK(loaded.bind == plain.bind);
  CHECK(loaded.port == plain.port);
  CHECK(loaded.tcp_backlog == plain.tcp_backlog);
  CHECK(loaded.unixsocket == plain.unixsocket);
  CHECK(loaded.unixsocketperm == plain.unixsocketperm);
  CHECK(loaded.timeout_s == plain.timeout_s);
  CHECK(loaded.tcp_keepalive_s == plain.tcp_keepalive_s);
  CHECK(loaded.protected_mode == plain.protected_mode);
  CHECK(loaded.maxclients == plain.maxclients);
  CHECK(loaded.proto_max_bulk_len == plain.proto_max_bulk_len);
  CHECK(loaded.client_query_buffer_limit == plain.client_query_buffer_limit);
  CHECK(loaded.maxmemory_clients == plain.maxmemory_clients);
  CHECK(loaded.output_limits == plain.output_limits);
  CHECK(loaded.loglevel == plain.loglevel);
  CHECK(loaded.logfile == plain.logfile);
  CHECK(loaded.daemonize == plain.daemonize);
  CHECK(loaded.databases == plain.databases);
  CHECK(loaded.hz == plain.hz);
  CHECK(loaded.enable_debug_command == plain.enable_debug_command);
  CHECK(loaded.enable_protected_configs == plain.enable_protected_configs);
  CHECK(loaded.requirepass == plain.requirepass);
  CHECK(loaded.appendfsync == plain.appendfsync);
  CHECK(loaded.memtable_size == plain.memtable_size);
  CHECK(loaded.memtable_limit == plain.memtable_limit);
  CHECK(loaded.write_buffer_budget == plain.write_buffer_budget);
  CHECK(loaded.block_cache_size == plain.block_cache_size);
  CHECK(loaded.target_file_size == plain.target_file_size);
  CHECK(loaded.compression == plain.compression);
}

TEST_CASE("every value that CONFIG GET prints is read back as itself") {
  const Config config;
  for (const Directive& directive : Directives()) {
    CAPTURE(directive.name);
    ConfigValue old;
    old.text = config.Value(directive.name);
    ConfigValue again;
    const bool is_list = (directive.flags & Directive::kList) && !old.text.empty();
    std::vector<std::string> words = {old.text};
    if (is_list) {
      words.clear();
      for (size_t i = 0; i <= old.text.size();) {
        const size_t end = std::min(old.text.find(' ', i), old.text.size());
        words.push_back(old.text.substr(i, end - i));
        i = end + 1;
      }
    }
    REQUIRE(ParseDirective(directive, words, old, &again).ok());
    CHECK(again.text == old.text);
  }
}

TEST_CASE("a file sets what it says, with comments, quotes, units and blank lines") {
  Config config;
  REQUIRE(config
              .LoadText("# a comment\n"
                        "\n"
                        "  port 7000\r\n"
                        "MAXCLIENTS 12\n"
                        "requirepass \"pass \\\"word\\x41\"\n"
                        "memtable-size 4mb\n"
                        "write-buffer-budget 1g\n"
                        "block-cache-size 10k\n"
                        "compression ZSTD\n"
                        "bind 127.0.0.1 ::1\n"
                        "unixsocketperm 700\n"
                        "unixsocket '/tmp/a b'\n"
                        "appendfsync always\n"
                        "enable-debug-command local\n")
              .ok());
  const Settings& settings = config.settings();
  CHECK(settings.port == 7000);
  CHECK(settings.maxclients == 12);
  CHECK(settings.requirepass == "pass \"wordA");
  CHECK(settings.memtable_size == 4194304);
  CHECK(settings.write_buffer_budget == 1000000000);
  CHECK(settings.block_cache_size == 10000);
  CHECK(settings.compression == lsm::Compression::kZstd);
  CHECK(settings.bind == std::vector<std::string>{"127.0.0.1", "::1"});
  CHECK(settings.unixsocketperm == 0700);
  CHECK(settings.unixsocket == "/tmp/a b");
  CHECK(settings.appendfsync == AppendFsync::kAlways);
  CHECK(settings.enable_debug_command == ProtectedAccess::kLocal);
  CHECK(Value(config, "memtable-size") == "4194304");
  CHECK(Value(config, "unixsocketperm") == "700");
  CHECK(Value(config, "compression") == "zstd");
}

TEST_CASE("an error names the line, the text and the reason as redis-server does") {
  Config config;
  const lsm::Status status = config.LoadText("port 1\n# c\n  PORT 1x\n");
  REQUIRE_FALSE(status.ok());
  CHECK(status.message() ==
        "\n*** FATAL CONFIG FILE ERROR (Varve 0.1.0) ***\n"
        "Reading the configuration file, at line 3\n"
        ">>> 'PORT 1x'\n"
        "argument couldn't be parsed into an integer\n");
}

TEST_CASE("lines that do not parse are refused with Redis's reason") {
  CHECK(LoadError("foo bar") == "Bad directive or wrong number of arguments");
  CHECK(LoadError("include a b") == "Bad directive or wrong number of arguments");
  CHECK(LoadError("save \"a") == "Unbalanced quotes in configuration line");
  CHECK(LoadError("appendonly \"yes\"x") == "Unbalanced quotes in configuration line");
  CHECK(LoadError("port") == "wrong number of arguments");
  CHECK(LoadError("port 0 0") == "wrong number of arguments");
  CHECK(LoadError("port ''") == "argument couldn't be parsed into an integer");
  CHECK(LoadError("port 65536") == "argument must be between 0 and 65535 inclusive");
  CHECK(LoadError("port -1") == "argument must be between 0 and 65535 inclusive");
  CHECK(LoadError("daemonize x") == "argument must be 'yes' or 'no'");
  CHECK(LoadError("maxmemory 5z") == "argument must be a memory value");
  CHECK(LoadError("maxmemory-clients x%") == "argument must be a memory or percent value");
  CHECK(LoadError("maxmemory-clients 101%") == "percentage argument must be less or equal to 100");
  CHECK(LoadError("unixsocketperm 9") == "argument couldn't be parsed as an octal number");
  CHECK(LoadError("unixsocketperm 1777") == "argument must be between 0 and 777 inclusive");
  CHECK(LoadError("loglevel x") ==
        "argument(s) must be one of the following: debug, verbose, notice, warning");
  CHECK(LoadError("databases 0") == "argument must be between 1 and 1048576 inclusive");
  CHECK(LoadError("databases 1048577") == "argument must be between 1 and 1048576 inclusive");
  CHECK(LoadError("dir /nonexistent") == "No such file or directory");
  CHECK(LoadError("dbfilename a/b") == "dbfilename can't be a path, just a filename");
  CHECK(LoadError("save 1") == "Invalid save parameters");
  CHECK(LoadError("save 0 1") == "Invalid save parameters");
  CHECK(LoadError("replicaof a x") == "Invalid master port");
  CHECK(LoadError("oom-score-adj-values 1 2") == "wrong number of arguments");
  CHECK(LoadError("oom-score-adj-values 1 2 3000") ==
        "Invalid oom-score-adj-values, elements must be between -2000 and 2000.");
  CHECK(LoadError("latency-tracking-info-percentiles 1 x") ==
        "Invalid latency-tracking-info-percentiles parameters");
  CHECK(LoadError("latency-tracking-info-percentiles 101") ==
        "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
  CHECK(LoadError("notify-keyspace-events q") ==
        "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
  CHECK(LoadError("client-output-buffer-limit foo") ==
        "Wrong number of arguments in buffer limit configuration.");
  CHECK(LoadError("client-output-buffer-limit foo 1 1 1") ==
        "Invalid client class specified in buffer limit configuration.");
  CHECK(LoadError("client-output-buffer-limit normal -1 1 1") ==
        "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
  CHECK(LoadError("shutdown-on-sigterm save nosave") ==
        "shutdown options SAVE and NOSAVE can't be used simultaneously");
  CHECK(LoadError("proc-title-template {x}") ==
        "template format is invalid or contains unknown variables");
}

TEST_CASE("what would be dangerous to ignore is refused") {
  for (const char* line : {"tls-port 1", "cluster-enabled yes", "replicaof 127.0.0.1 6379",
                           "aclfile /tmp/x", "min-replicas-to-write 1"}) {
    CAPTURE(line);
    CHECK(LoadError(line).find("is not supported by this version of Varve") != std::string::npos);
  }
  for (const char* line : {"user a on", "loadmodule /x.so"}) {
    CAPTURE(line);
    CHECK(LoadError(line) == "This directive is not supported by this version of Varve");
  }
  CHECK(LoadError("tls-port 0\ncluster-enabled no\nreplicaof no one\naclfile ''") == "");
}

TEST_CASE("an error about a line with a password does not show it") {
  for (const std::string name : {"requirepass", "RequirePass", "masterauth", "masteruser",
                                 "tls-key-file-pass", "rename-command"}) {
    CAPTURE(name);
    Config config;
    const lsm::Status status = config.LoadText("port 1\n" + name + " se cret\n");
    REQUIRE_FALSE(status.ok());
    CHECK(std::string(status.message()).find("se cret") == std::string::npos);
    CHECK(std::string(status.message()).find("'" + name + "'") != std::string::npos);
  }
}

TEST_CASE("an error about a line whose name is quoted does not show a password either") {
  for (const std::string line : {"\"requirepass\" se cret", "'requirepass' se cret"}) {
    const lsm::Status status = Config().LoadText(line);
    REQUIRE_FALSE(status.ok());
    CHECK(std::string(status.message()).find("se cret") == std::string::npos);
  }
}

TEST_CASE("a directive without effect is kept and warned of once") {
  Config config;
  REQUIRE(config.LoadText("maxmemory-samples 7\nmaxmemory-samples 9\nport 0\n").ok());
  CHECK(Value(config, "maxmemory-samples") == "9");
  REQUIRE(config.warnings().size() == 1);
  CHECK(config.warnings()[0] == "The directive 'maxmemory-samples' has no effect in Varve");
}

TEST_CASE("the lines of Debian's stock redis.conf load") {
  Config config;
  const lsm::Status status = config.LoadText(
      "bind 127.0.0.1 -::1\nprotected-mode yes\nport 6379\ntcp-backlog 511\ntimeout 0\n"
      "tcp-keepalive 300\ndaemonize yes\npidfile /run/redis/redis-server.pid\nloglevel notice\n"
      "logfile /var/log/redis/redis-server.log\ndatabases 16\nalways-show-logo no\n"
      "set-proc-title yes\nproc-title-template \"{title} {listen-addr} {server-mode}\"\n"
      "stop-writes-on-bgsave-error yes\nrdbcompression yes\nrdbchecksum yes\n"
      "dbfilename dump.rdb\nrdb-del-sync-files no\ndir /\nreplica-serve-stale-data yes\n"
      "replica-read-only yes\nrepl-diskless-sync yes\nrepl-diskless-sync-delay 5\n"
      "repl-diskless-sync-max-replicas 0\nrepl-diskless-load disabled\n"
      "repl-disable-tcp-nodelay no\nreplica-priority 100\nacllog-max-len 128\n"
      "lazyfree-lazy-eviction no\nlazyfree-lazy-expire no\nlazyfree-lazy-server-del no\n"
      "replica-lazy-flush no\nlazyfree-lazy-user-del no\nlazyfree-lazy-user-flush no\n"
      "oom-score-adj no\noom-score-adj-values 0 200 800\ndisable-thp yes\nappendonly no\n"
      "appendfilename \"appendonly.aof\"\nappenddirname \"appendonlydir\"\n"
      "appendfsync everysec\nno-appendfsync-on-rewrite no\nauto-aof-rewrite-percentage 100\n"
      "auto-aof-rewrite-min-size 64mb\naof-load-truncated yes\naof-use-rdb-preamble yes\n"
      "aof-timestamp-enabled no\nslowlog-log-slower-than 10000\nslowlog-max-len 128\n"
      "latency-monitor-threshold 0\nnotify-keyspace-events \"\"\n"
      "hash-max-listpack-entries 512\nhash-max-listpack-value 64\nlist-max-listpack-size -2\n"
      "list-compress-depth 0\nset-max-intset-entries 512\nzset-max-listpack-entries 128\n"
      "zset-max-listpack-value 64\nhll-sparse-max-bytes 3000\nstream-node-max-bytes 4096\n"
      "stream-node-max-entries 100\nactiverehashing yes\n"
      "client-output-buffer-limit normal 0 0 0\n"
      "client-output-buffer-limit replica 256mb 64mb 60\n"
      "client-output-buffer-limit pubsub 32mb 8mb 60\nhz 10\ndynamic-hz yes\n"
      "aof-rewrite-incremental-fsync yes\nrdb-save-incremental-fsync yes\n"
      "jemalloc-bg-thread yes\n");
  CHECK(status.message() == "");
  CHECK(config.settings().daemonize);
  CHECK(config.settings().pidfile == "/run/redis/redis-server.pid");
}

TEST_CASE("repeated save lines add up, and an empty one ends them") {
  Config config;
  CHECK(Value(config, "save") == "");
  REQUIRE(config.LoadText("save 1 2\nsave 3 4 5 6\n").ok());
  CHECK(Value(config, "save") == "1 2 3 4 5 6");
  REQUIRE(config.LoadText("save \"\"\n").ok());
  CHECK(Value(config, "save") == "");
}

TEST_CASE("older names answer for the newer ones") {
  Config config;
  REQUIRE(config.LoadText("slave-priority 7\nhash-max-ziplist-entries 9\n").ok());
  CHECK(Value(config, "replica-priority") == "7");
  CHECK(Value(config, "slave-priority") == "7");
  CHECK(Value(config, "hash-max-listpack-entries") == "9");
  CHECK(config.Get("*ziplist*").size() == 5);
  CHECK(config.Get("slave-read*") ==
        std::vector<std::pair<std::string, std::string>>{{"slave-read-only", "yes"}});
}

TEST_CASE("CONFIG GET answers several patterns, each name once, in any case") {
  const Config config;
  const std::vector<std::string_view> patterns = {"PORT", "port", "por?", "maxmemory*", "no-such"};
  const auto found = config.Get(patterns);
  std::vector<std::string> names;
  for (const auto& [name, value] : found) names.push_back(name);
  CHECK(names == std::vector<std::string>{"PORT", "maxmemory", "maxmemory-policy",
                                          "maxmemory-samples", "maxmemory-eviction-tenacity",
                                          "maxmemory-clients"});
  CHECK(config.Get("watchdog*").empty());
  CHECK(Value(config, "watchdog-period") == "0");
  CHECK(config.Get("MAXMEMORY-POL*").size() == 1);
  CHECK(config.Get("").empty());
}

TEST_CASE("values are canonical") {
  Config config;
  const auto set = [&](const char* name, const char* value) {
    CAPTURE(name);
    CAPTURE(value);
    CHECK(SetError(&config, {{name, value}}) == "");
    return Value(config, name);
  };
  CHECK(set("maxmemory", "kb") == "0");
  CHECK(set("maxmemory", "1GB") == "1073741824");
  CHECK(set("maxmemory-clients", "5%") == "5%");
  CHECK(set("hz", "1000") == "500");
  CHECK(set("hz", "0") == "1");
  CHECK(set("appendfsync", "ALWAYS") == "always");
  CHECK(set("protected-mode", "NO") == "no");
  CHECK(set("notify-keyspace-events", "gxEKmnA") == "AKEm");
  CHECK(set("notify-keyspace-events", "nm") == "nm");
  CHECK(set("notify-keyspace-events", "dtezhsl") == "lshzetd");
  CHECK(set("latency-tracking-info-percentiles", "1e1") == "10");
  CHECK(set("latency-tracking-info-percentiles", "") == "");
  CHECK(set("shutdown-on-sigterm", "now save") == "save now");
  CHECK(set("shutdown-on-sigterm", "default save") == "save");
  CHECK(set("client-output-buffer-limit", "replica 1mb 2 3") ==
        "normal 0 0 0 slave 1048576 2 3 pubsub 33554432 8388608 60");
  CHECK(set("save", "60 1") == "60 1");
}

TEST_CASE("CONFIG SET changes all or nothing") {
  Config config;
  CHECK(SetError(&config, {{"timeout", "5"}, {"hz", "abc"}}) ==
        "CONFIG SET failed (possibly related to argument 'hz') - "
        "argument couldn't be parsed into an integer");
  CHECK(config.settings().timeout_s == 0);
  CHECK(Value(config, "timeout") == "0");
  CHECK(SetError(&config, {{"timeout", "5"}, {"hz", "20"}}) == "");
  CHECK(config.settings().timeout_s == 5);
  CHECK(config.settings().hz == 20);
}

TEST_CASE("CONFIG SET refuses unknown, immutable, protected and repeated names") {
  Config config;
  CHECK(SetError(&config, {{"foo", "1"}, {"daemonize", "yes"}}) ==
        "Unknown option or number of arguments for CONFIG SET - 'foo'");
  CHECK(SetError(&config, {{"daemonize", "yes"}, {"foo", "1"}}) ==
        "CONFIG SET failed (possibly related to argument 'daemonize') - "
        "can't set immutable config");
  CHECK(SetError(&config, {{"dbfilename", "a"}}) ==
        "CONFIG SET failed (possibly related to argument 'dbfilename') - "
        "can't set protected config");
  CHECK(SetError(&config, {{"timeout", "1"}, {"Timeout", "2"}}) ==
        "CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter");
  CHECK(SetError(&config, {{"SLAVE-PRIORITY", "x"}}) ==
        "CONFIG SET failed (possibly related to argument 'slave-priority') - "
        "argument couldn't be parsed into an integer");
}

TEST_CASE("enable-protected-configs decides who may set protected directives") {
  struct Case {
    std::string setting;
    bool remote;
    bool local;
  };
  for (const Case& c : {Case{"no", false, false}, {"yes", true, true}, {"local", false, true}}) {
    CAPTURE(c.setting);
    Config config;
    REQUIRE(config.LoadText("enable-protected-configs " + c.setting).ok());
    CHECK(config.Set({{"dbfilename", "a"}}, false).ok() == c.remote);
    CHECK(config.Set({{"dbfilename", "a"}}, true).ok() == c.local);
  }
}

TEST_CASE("a hook that fails takes the change back") {
  Config config;
  int calls = 0;
  config.set_change_hook([&](const Settings& before, const Settings& after) {
    ++calls;
    CHECK(before.maxclients == 10000);
    CHECK(after.maxclients == 5);
    return lsm::Status::InvalidArgument("cannot have so few");
  });
  CHECK(SetError(&config, {{"maxclients", "5"}}) ==
        "CONFIG SET failed (possibly related to argument 'maxclients') - cannot have so few");
  CHECK(calls == 1);
  CHECK(config.settings().maxclients == 10000);
  CHECK(Value(config, "maxclients") == "10000");
}

TEST_CASE("the command line is an optional file and directives") {
  CommandLine line = ParseCommandLine({"a.conf", "--port", "0", "--save", "--bind", "a", "b"});
  CHECK(line.file == "a.conf");
  CHECK_FALSE(line.reads_stdin);
  CHECK(line.directives == "port \"0\" \nsave \"\"\nbind \"a\" \"b\" ");
  line = ParseCommandLine({"-", "--port", "1"});
  CHECK(line.file.empty());
  CHECK(line.reads_stdin);
  CHECK(line.directives == "port \"1\" ");
  CHECK(ParseCommandLine({"--port", "1", "-"}).reads_stdin);
  CHECK(ParseCommandLine({"--requirepass", "--x"}).directives == "requirepass \"--x\" ");
  CHECK(ParseCommandLine({"--port 0", "--save", "1 2"}).directives == "port 0 \nsave \"1 2\" ");
  CHECK(ParseCommandLine({"--a", "q\"\\\n\x01"}).directives == "a \"q\\\"\\\\\\n\\x01\" ");
  CHECK(ParseCommandLine({}).directives.empty());
}

TEST_CASE("the command line overrides the file, and its errors count lines through") {
  const TemporaryDirectory directory;
  const std::string file = directory.Write("varve.conf", "port 1\ntimeout 3\n");
  Config config;
  REQUIRE(config.Load({file, "--port", "2"}).ok());
  CHECK(config.settings().port == 2);
  CHECK(config.settings().timeout_s == 3);
  CHECK(config.file() == file);
  Config other;
  const lsm::Status status = other.Load({file, "--port", "1", "2"});
  CHECK(status.message() ==
        "\n*** FATAL CONFIG FILE ERROR (Varve 0.1.0) ***\n"
        "Reading the configuration file, at line 4\n"
        ">>> 'port \"1\" \"2\"'\n"
        "wrong number of arguments\n");
}

TEST_CASE("a file that cannot be opened is named") {
  Config config;
  CHECK(config.Load({"/nonexistent/x.conf"}).message() ==
        "Fatal error, can't open config file '/nonexistent/x.conf': No such file or directory");
}

TEST_CASE("include reads other files, also by wildcard, to a limited depth") {
  const TemporaryDirectory directory;
  directory.Write("one.inc", "timeout 1\n");
  directory.Write("two.inc", "hz 20\n");
  Config config;
  REQUIRE(config.LoadText("include " + directory.path() + "/*.inc\nport 5\n").ok());
  CHECK(config.settings().timeout_s == 1);
  CHECK(config.settings().hz == 20);
  CHECK(config.settings().port == 5);
  CHECK(config.LoadText("include " + directory.path() + "/none*\n").ok());

  const std::string self = directory.path() + "/self.conf";
  directory.Write("self.conf", "include " + self + "\n");
  Config endless;
  const lsm::Status status = endless.LoadText("include " + self);
  CHECK(status.message().find("Too many levels of include") != std::string_view::npos);
}

TEST_CASE("dir must be a directory and is answered as an absolute path") {
  const TemporaryDirectory directory;
  Config config;
  REQUIRE(config.LoadText("dir " + directory.path() + "/.\n").ok());
  CHECK(config.settings().dir == directory.path());
  CHECK(LoadError("dir " + directory.Write("file", "x")) == "Not a directory");
}

}  // namespace
}  // namespace redis
