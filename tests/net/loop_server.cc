// SPDX-License-Identifier: BSD-3-Clause
#include "loop_server.h"

#include <pthread.h>
#include <sys/resource.h>

#include <csignal>
#include <ctime>
#include <fstream>
#include <future>
#include <sstream>

#include "tests/support/server_process.h"

namespace net {

LoopServer::LoopServer(const std::string& directives) : port_(test_support::FreePort()) {
  std::signal(SIGPIPE, SIG_IGN);
  status_ = config_.LoadText("bind 127.0.0.1\nport " + std::to_string(port_) + "\ndir " +
                             directory_.path() + "\n" + directives);
  if (!status_.ok()) return;
  auto logger =
      redis::Logger::Open(directory_.path() + ".log", lsm::LogLevel::kDebug, lsm::Clock::System());
  status_ = logger.status();
  if (!status_.ok()) return;
  logger_ = std::move(*logger);
  loop_ = std::make_unique<EventLoop>(&config_, logger_.get());
  host_ = std::make_unique<UvHost>(loop_.get(), logger_.get());
  status_ = loop_->Listen();
  if (!status_.ok()) return;
  thread_ = std::thread([this] { Serve(); });
  OnLoop([](EventLoop*, redis::Config*) {});
}

LoopServer::~LoopServer() {
  if (thread_.joinable()) {
    Stop();
    Join();
  }
  host_.reset();
  loop_.reset();
  std::remove((directory_.path() + ".log").c_str());
}

void LoopServer::Serve() {
  auto instance = redis::Instance::Open(&config_, host_.get(), lsm::Options());
  if (!instance.ok()) {
    logger_->Log(lsm::LogLevel::kWarning, instance.status().ToString());
    return;
  }
  loop_->Run(instance->get());
  const lsm::Status status = (*instance)->Shutdown();
  if (!status.ok()) logger_->Log(lsm::LogLevel::kWarning, status.ToString());
}

void LoopServer::OnLoop(const std::function<void(EventLoop*, redis::Config*)>& task) {
  auto done = std::make_shared<std::promise<void>>();
  std::future<void> result = done->get_future();
  host_->Post([this, task, done] {
    task(loop_.get(), &config_);
    done->set_value();
  });
  result.wait_for(std::chrono::seconds(10));
}

void LoopServer::Stop() {
  host_->Post([this] { host_->Stop(); });
}

void LoopServer::Join() { thread_.join(); }

int64_t LoopServer::CpuMicros() const {
  clockid_t clock{};
  timespec used{};
  pthread_getcpuclockid(const_cast<LoopServer*>(this)->thread_.native_handle(), &clock);
  clock_gettime(clock, &used);
  return used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

std::string LoopServer::Log() const {
  std::ifstream in(directory_.path() + ".log");
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace net
