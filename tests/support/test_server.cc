// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/test_server.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "redis-compat/client_limits.h"
#include "resp/reply_parser.h"
#include "resp/request_parser.h"

namespace test_support {

namespace {

constexpr int64_t kCronMs = 100;
// How long a transcript waits for a reply, and how long between looks.
constexpr int64_t kReplyTimeoutMs = 10'000;
constexpr int64_t kPatienceMs = 20;

// A test that cannot be set up has nothing to say.
void RequireOk(const lsm::Status& status, const char* what) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s: %s\n", what, status.ToString().c_str());
  std::abort();
}

}  // namespace

TestServer::TestServer(std::string_view config, Engine engine) : engine_(engine) {
  RequireOk(config_.LoadText(config), "configuration");
  Start();
}

TestServer::TestServer(TestServer* other, std::string database)
    : engine_(Engine::kLsm), database_(std::move(database)), files_(other->files_) {
  Start();
}

TestServer::~TestServer() { RequireOk(instance_->Shutdown(), "shutdown"); }

lsm::Result<std::unique_ptr<redis::Instance>> TestServer::OpenInstance() {
  if (engine_ == Engine::kMapDb) {
    auto db = std::make_unique<lsm::MapDb>(&disk_);
    return redis::Instance::Open(&config_, &host_, &clock_, std::move(db));
  }
  lsm::Options options;
  options.file_system = files_;
  options.clock = &clock_;
  options.executor = &executor_;
  if (!database_.empty()) {
    lsm::Result<std::unique_ptr<lsm::DB>> db = lsm::DB::Open(options, database_);
    RETURN_IF_ERROR(db.status());
    return redis::Instance::Open(&config_, &host_, &clock_, std::move(*db));
  }
  // The directory that the settings name, in memory.
  const std::string& directory = config_.settings().dir;
  for (size_t slash = directory.find('/', 1); slash != std::string::npos;) {
    RequireOk(files_->CreateDirectory(directory.substr(0, slash)), "directory");
    slash = directory.find('/', slash + 1);
  }
  RequireOk(files_->CreateDirectory(directory), "directory");
  return redis::Instance::Open(&config_, &host_, options);
}

void TestServer::Start() {
  lsm::Result<std::unique_ptr<redis::Instance>> opened = OpenInstance();
  RequireOk(opened.status(), "opening");
  instance_ = std::move(*opened);
  disk_.listener = &instance_->engine_listener();
  if (engine_ == Engine::kMapDb) {
    instance_->set_opener([this]() -> lsm::Result<std::unique_ptr<lsm::DB>> {
      return std::unique_ptr<lsm::DB>(std::make_unique<lsm::MapDb>(&disk_));
    });
  }
  own_client_ = Connect();
}

void TestServer::RestartLoading() {
  RequireOk(instance_->Shutdown(), "shutdown");
  instance_.reset();
  connections_.clear();
  host_.RunTasks();
  lsm::Options options;
  options.file_system = files_;
  options.clock = &clock_;
  options.executor = &executor_;
  instance_ = redis::Instance::BeginOpen(&config_, &host_, options);
  own_client_ = Connect();
}

void TestServer::FinishLoading() {
  lsm::Result<std::unique_ptr<lsm::DB>> db = instance_->OpenDatabase();
  RequireOk(db.status(), "opening");
  RequireOk(instance_->FinishOpen(std::move(*db)), "opening");
}

void TestServer::Restart() {
  RequireOk(instance_->Shutdown(), "shutdown");
  disk_.listener = nullptr;
  instance_.reset();
  connections_.clear();
  host_.RunTasks();
  Start();
}

redis::ClientId TestServer::Connect() {
  redis::Session::Peer peer;
  peer.address = "127.0.0.1:50000";
  peer.local_address = "127.0.0.1:6379";
  peer.is_loopback = true;
  std::string refusal;
  redis::Session* session = instance_->Connect(peer, &refusal);
  if (session == nullptr) {
    std::fprintf(stderr, "refused: %s\n", refusal.c_str());
    std::abort();
  }
  connections_[session->id()] = {};
  return session->id();
}

void TestServer::Disconnect(redis::ClientId client) {
  instance_->Disconnect(client);
  connections_.erase(client);
}

void TestServer::Feed(redis::ClientId client, std::string_view bytes) {
  redis::Session* session = instance_->Find(client);
  if (session == nullptr) return;
  session->input().append(bytes);
  instance_->client_limits().Update(session);
  connections_[client].may_run = true;
}

std::string TestServer::TakeOutput(redis::ClientId client) {
  return std::exchange(connections_[client].received, {});
}

void TestServer::Write(redis::ClientId client, Connection* connection) {
  redis::Session* session = instance_->Find(client);
  if (session == nullptr) return;
  if (connection->reads) {
    const std::string_view output = session->releasable_output();
    connection->received.append(output);
    session->ConsumeOutput(output.size());
  }
  instance_->client_limits().OnWritten(session);
  if (connection->is_closed && session->output_bytes() == 0) instance_->Disconnect(client);
}

bool TestServer::Tick() {
  executor_.RunAll();
  const bool had_tasks = host_.RunTasks();
  for (const redis::ClientId client : std::exchange(host_.woken, {})) {
    const auto found = connections_.find(client);
    if (found != connections_.end()) found->second.may_run = true;
  }
  bool ran = false;
  instance_->BeginTick();
  for (auto& [client, connection] : connections_) {
    redis::Session* session = instance_->Find(client);
    if (session == nullptr || connection.is_closed || !connection.may_run) continue;
    ran = true;
    const auto result = instance_->Run(session);
    using RunResult = redis::Instance::RunResult;
    connection.may_run =
        result == RunResult::kYield ||
        (result == RunResult::kPaused && session->output_bytes() > 0 && connection.reads);
    if (result == RunResult::kClose) connection.is_closed = true;
  }
  instance_->EndTick();
  for (const redis::ClientId client : std::exchange(host_.closing, {})) {
    const auto found = connections_.find(client);
    if (found == connections_.end()) continue;
    found->second.is_closed = true;
    instance_->Disconnect(client);
  }
  for (auto& [client, connection] : connections_) Write(client, &connection);
  return ran || had_tasks || executor_.Queued() > 0 || !host_.closing.empty();
}

void TestServer::RunUntilIdle() {
  while (Tick()) {
  }
}

std::string TestServer::Exchange(redis::ClientId client, std::string_view bytes) {
  Feed(client, bytes);
  RunUntilIdle();
  return TakeOutput(client);
}

std::string TestServer::Call(std::string_view command_line) {
  std::vector<std::string> arguments;
  if (!resp::SplitArguments(command_line, &arguments)) return "(quotes)";
  return Call(own_client_, arguments);
}

std::string TestServer::Call(redis::ClientId client, const std::vector<std::string>& arguments) {
  std::string request = "*" + std::to_string(arguments.size()) + "\r\n";
  for (const std::string& argument : arguments) {
    request += "$" + std::to_string(argument.size()) + "\r\n" + argument + "\r\n";
  }
  const std::string reply = Exchange(client, request);
  if (reply.empty()) return "(no reply)";
  resp::Value value;
  size_t consumed = 0;
  std::string error;
  if (resp::ParseReply(reply, &value, &consumed, &error) != resp::ReplyOutcome::kReply ||
      consumed != reply.size()) {
    return "(not one reply) " + reply;
  }
  return value.ToString();
}

void TestServer::Sleep(int64_t milliseconds) {
  while (milliseconds > 0) {
    const int64_t step = std::min(milliseconds, kCronMs);
    clock_.Advance(step * 1000);
    milliseconds -= step;
    instance_->Cron();
    RunUntilIdle();
  }
}

void InProcessTarget::Send(const std::string& client, std::string_view bytes) {
  auto known = clients_.find(client);
  if (known == clients_.end()) known = clients_.emplace(client, server_->Connect()).first;
  server_->Feed(known->second, bytes);
  server_->RunUntilIdle();
}

std::string InProcessTarget::Receive(const std::string& client) {
  const auto known = clients_.find(client);
  if (known == clients_.end()) return {};
  std::string received = server_->TakeOutput(known->second);
  for (int64_t waited_ms = 0; received.empty() && waited_ms < kReplyTimeoutMs;
       waited_ms += kPatienceMs) {
    if (server_->instance().Find(known->second) == nullptr) break;
    server_->Sleep(kPatienceMs);
    received = server_->TakeOutput(known->second);
  }
  return received;
}

void InProcessTarget::Disconnect(const std::string& client) {
  const auto known = clients_.find(client);
  if (known == clients_.end()) return;
  server_->Disconnect(known->second);
  clients_.erase(known);
}

void InProcessTarget::Restart() {
  server_->Restart();
  clients_.clear();
}

}  // namespace test_support
