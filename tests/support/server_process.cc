// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/server_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace test_support {

int FreePort() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (fd < 0 || ::bind(fd, generic, size) != 0 || ::getsockname(fd, generic, &size) != 0) {
    std::perror("no free port");
    std::exit(2);
  }
  ::close(fd);
  return ntohs(address.sin_port);
}

ServerProcess::ServerProcess(const std::string& binary, const std::string& directory, int port,
                             const std::vector<std::string>& arguments)
    : port_(port) {
  std::vector<std::string> words = {binary,  "--port", std::to_string(port), "--bind", "127.0.0.1",
                                    "--dir", directory};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::string log = directory + ".log";

  pid_ = ::fork();
  if (pid_ < 0) {
    std::perror("fork");
    std::exit(2);
  }
  if (pid_ == 0) {
    // A test that fails may exit without unwinding; its server ends with it.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(fd, STDOUT_FILENO);
    ::dup2(fd, STDERR_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
}

ServerProcess::~ServerProcess() { Kill(); }

bool ServerProcess::Reap(bool block) {
  if (pid_ < 0) return true;
  int status = 0;
  if (::waitpid(pid_, &status, block ? 0 : WNOHANG) != pid_) return false;
  exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  pid_ = -1;
  return true;
}

bool ServerProcess::WaitUntilReady(int timeout_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (std::chrono::steady_clock::now() < deadline) {
    if (Reap(false)) return false;
    if (Context context = Connect()) {
      Reply reply = Call(context.get(), {"PING"});
      if (reply && reply->type == REDIS_REPLY_STATUS) return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

void ServerProcess::Kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  Reap(true);
}

int ServerProcess::Terminate() {
  if (pid_ >= 0) {
    ::kill(pid_, SIGTERM);
    Reap(true);
  }
  return exit_status_;
}

Context ServerProcess::Connect() const {
  const timeval timeout{.tv_sec = 10, .tv_usec = 0};
  Context context(redisConnectWithTimeout("127.0.0.1", port_, timeout));
  if (!context || context->err != 0) return nullptr;
  redisSetTimeout(context.get(), timeout);
  return context;
}

long ServerProcess::ResidentBytes() const {
  const std::string path = "/proc/" + std::to_string(pid_) + "/statm";
  std::FILE* file = std::fopen(path.c_str(), "r");
  if (file == nullptr) return 0;
  long total = 0;
  long resident = 0;
  const int fields = std::fscanf(file, "%ld %ld", &total, &resident);
  std::fclose(file);
  return fields == 2 ? resident * ::sysconf(_SC_PAGESIZE) : 0;
}

Reply Call(redisContext* context, const std::vector<std::string>& arguments) {
  std::vector<const char*> argv;
  std::vector<size_t> lengths;
  for (const std::string& argument : arguments) {
    argv.push_back(argument.data());
    lengths.push_back(argument.size());
  }
  return Reply(static_cast<redisReply*>(
      redisCommandArgv(context, static_cast<int>(argv.size()), argv.data(), lengths.data())));
}

}  // namespace test_support
