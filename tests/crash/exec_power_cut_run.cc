// SPDX-License-Identifier: BSD-3-Clause
#include "tests/crash/exec_power_cut_run.h"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "lsm/random.h"
#include "redis-compat/config.h"
#include "redis-compat/instance.h"
#include "resp/reply_parser.h"
#include "tests/crash/transaction_model.h"
#include "tests/support/fake_host.h"
#include "tests/support/fault_plan.h"
#include "tests/support/manual_clock.h"
#include "tests/support/manual_executor.h"
#include "tests/support/mem_file_system.h"

namespace crash {

namespace {

std::string Encoded(const std::vector<std::string>& command) {
  std::string bytes = "*" + std::to_string(command.size()) + "\r\n";
  for (const std::string& argument : command) {
    bytes += "$" + std::to_string(argument.size()) + "\r\n" + argument + "\r\n";
  }
  return bytes;
}

// A transaction on its way through a client: bytes that were not fed yet, and what it is owed.
struct InFlight {
  Transaction transaction;
  std::string bytes;
  size_t fed = 0;
  size_t replies_left = 0;
  size_t number = 0;  // in the model, once it is executed
  bool failed = false;
};

struct Client {
  redis::ClientId id = 0;
  std::deque<InFlight> in_flight;
  std::string received;
};

class Life {
 public:
  Life(uint64_t seed, ExecBug bug)
      : bug_(bug), random_(seed), files_(std::make_unique<lsm::MemFileSystem>()) {
    MakeDirectory(redis::Config().settings().dir);
  }

  ExecPowerCutResult Run(uint64_t least_transactions) {
    while (result_.violation.empty() && result_.transactions < least_transactions) OneLife();
    return result_;
  }

 private:
  // The directory that the server is started in was there before.
  void MakeDirectory(const std::string& directory);
  void OneLife();
  bool Open();
  void Verify();
  TransactionModel::State Read();
  void Live();
  void Tick();
  void FeedAndRun(Client* client);
  void RunUntilDone(redis::Session* session);
  void Receive(Client* client);
  void Die();
  InFlight MakeInFlight();
  // The reply to one command of a client that is alone.
  resp::Value Ask(const std::vector<std::string>& command);
  void Violate(std::string what) {
    if (result_.violation.empty()) result_.violation = std::move(what);
  }

  const ExecBug bug_;
  lsm::Random random_;
  lsm::ManualClock clock_;
  std::unique_ptr<lsm::MemFileSystem> files_;
  TransactionModel model_;
  size_t promised_ = 0;     // transactions that must survive a death of the process
  size_t power_proof_ = 0;  // and of the power
  ExecPowerCutResult result_;

  // Of one life.
  std::unique_ptr<lsm::FaultPlan> plan_;
  std::unique_ptr<lsm::ManualExecutor> executor_;
  std::unique_ptr<redis::Config> config_;
  std::unique_ptr<test_support::FakeHost> host_;
  std::unique_ptr<redis::Instance> instance_;
  std::vector<Client> clients_;
  bool always_ = false;
  bool may_be_large_ = false;
};

void Life::MakeDirectory(const std::string& directory) {
  for (size_t slash = 0; slash != std::string::npos;) {
    const size_t next = directory.find('/', slash + 1);
    const lsm::Status made = files_->CreateDirectory(directory.substr(0, next));
    const lsm::Status synced = files_->SyncDirectory(slash == 0 ? "/" : directory.substr(0, slash));
    if (!made.ok() || !synced.ok()) Violate("cannot make the directory " + directory);
    slash = next;
  }
}

void Life::OneLife() {
  plan_ = std::make_unique<lsm::FaultPlan>();
  files_->SetInterceptor(plan_.get());
  plan_->WriteBackInBetween(files_.get(), random_.Next64(), 20);
  executor_ = std::make_unique<lsm::ManualExecutor>(random_.Next64());
  host_ = std::make_unique<test_support::FakeHost>();
  clients_.clear();
  may_be_large_ = random_.OneIn(4);
  if (random_.OneIn(5)) plan_->CutPowerAfter(1 + random_.Uniform(40));
  if (Open() && !plan_->power_is_off()) {
    Verify();
    if (result_.violation.empty()) Live();
  }
  Die();
}

bool Life::Open() {
  always_ = random_.OneIn(2);
  config_ = std::make_unique<redis::Config>();
  std::string text = always_ ? "appendfsync always\n" : "appendfsync everysec\n";
  text += "memtable-size " + std::to_string(64u << random_.Uniform(3)) + "kb\n";
  text += "target-file-size 64kb\nwrite-buffer-budget 1mb\n";
  const lsm::Status loaded = config_->LoadText(text);
  if (!loaded.ok()) {
    Violate("configuration: " + loaded.ToString());
    return false;
  }
  lsm::Options options;
  options.file_system = files_.get();
  options.clock = &clock_;
  options.executor = executor_.get();
  options.wal_segment_size = 32768u << random_.Uniform(4);
  options.wal_size_limit = options.wal_segment_size * (2 + random_.Uniform(6));
  options.l0_merge_trigger = static_cast<int>(2 + random_.Uniform(3));
  auto opened = redis::Instance::Open(config_.get(), host_.get(), options);
  if (opened.ok()) {
    instance_ = std::move(*opened);
    return true;
  }
  if (plan_->power_is_off()) {
    ++result_.cuts_while_opening;
  } else {
    Violate("refused to open: " + opened.status().ToString());
  }
  return false;
}

resp::Value Life::Ask(const std::vector<std::string>& command) {
  redis::Session* session = instance_->Find(clients_.front().id);
  session->input().append(Encoded(command));
  instance_->BeginTick();
  static_cast<void>(instance_->Run(session));
  instance_->EndTick();
  resp::Value value;
  size_t consumed = 0;
  std::string error;
  const std::string_view output = session->releasable_output();
  if (resp::ParseReply(output, &value, &consumed, &error) != resp::ReplyOutcome::kReply) {
    Violate("no reply to " + command[0]);
  }
  session->ConsumeOutput(output.size());
  return value;
}

TransactionModel::State Life::Read() {
  TransactionModel::State state(kDatabases);
  for (size_t database = 0; database < state.size(); ++database) {
    static_cast<void>(Ask({"SELECT", std::to_string(database)}));
    const resp::Value keys = Ask({"KEYS", "*"});
    for (const resp::Value& key : keys.elements) {
      state[database][key.text] = TransactionModel::Shown(Ask({"GET", key.text}).text);
    }
    const int64_t count = Ask({"DBSIZE"}).integer;
    if (count != static_cast<int64_t>(state[database].size())) {
      Violate("DBSIZE says " + std::to_string(count) + " of " +
              std::to_string(state[database].size()) + " keys");
    }
  }
  static_cast<void>(Ask({"SELECT", "0"}));
  return state;
}

void Life::Verify() {
  const uint64_t clients = 1 + random_.Uniform(4);
  redis::Session::Peer peer;
  peer.address = "127.0.0.1:50000";
  peer.is_loopback = true;
  for (uint64_t i = 0; i < clients; ++i) {
    std::string refusal;
    clients_.emplace_back().id = instance_->Connect(peer, &refusal)->id();
  }
  const TransactionModel::State found = Read();
  if (plan_->power_is_off() || !result_.violation.empty()) return;
  const std::optional<size_t> prefix = model_.FindPrefix(found, promised_);
  if (!prefix) {
    const std::optional<size_t> any = model_.FindPrefix(found, 0);
    return Violate(any ? "only " + std::to_string(*any) + " transactions are left, and " +
                             std::to_string(promised_) + " were promised"
                       : "what is left never was the state after a transaction");
  }
  result_.lost += model_.size() - *prefix;
  model_.ForgetAfter(*prefix);
  // What is replayed is synced.
  promised_ = *prefix;
  power_proof_ = *prefix;
}

InFlight Life::MakeInFlight() {
  InFlight made;
  made.transaction = model_.Make(&random_, may_be_large_);
  const bool wrapped = bug_ == ExecBug::kNone;
  if (wrapped) made.bytes += Encoded({"MULTI"});
  for (const auto& command : made.transaction) made.bytes += Encoded(command);
  if (wrapped) made.bytes += Encoded({"EXEC"});
  made.replies_left = made.transaction.size() + (wrapped ? 2 : 0);
  return made;
}

void Life::Live() {
  if (!random_.OneIn(5)) plan_->CutPowerAfter(plan_->calls() + random_.Uniform(300));
  const uint64_t ticks = 5 + random_.Uniform(60);
  for (uint64_t i = 0; i < ticks && !plan_->power_is_off() && result_.violation.empty(); ++i) {
    Tick();
  }
}

void Life::Tick() {
  instance_->BeginTick();
  for (Client& client : clients_) {
    if (random_.OneIn(2)) FeedAndRun(&client);
  }
  instance_->EndTick();
  for (Client& client : clients_) Receive(&client);
  for (uint64_t jobs = random_.Uniform(4); jobs > 0; --jobs) executor_->RunOne();
  host_->RunTasks();
  for (Client& client : clients_) Receive(&client);
  clock_.Advance(static_cast<int64_t>(random_.Uniform(200'000)));
  if (random_.OneIn(3)) instance_->Cron();
}

// Whole transactions and parts of them; what is executed is executed in this order.
void Life::FeedAndRun(Client* client) {
  for (uint64_t count = 1 + random_.Uniform(3); count > 0; --count) {
    if (client->in_flight.empty() ||
        client->in_flight.back().fed == client->in_flight.back().bytes.size()) {
      client->in_flight.push_back(MakeInFlight());
    }
    InFlight& next = client->in_flight.back();
    size_t bytes = next.bytes.size() - next.fed;
    if (random_.OneIn(3)) bytes = random_.Uniform(bytes + 1);
    redis::Session* session = instance_->Find(client->id);
    session->input().append(next.bytes, next.fed, bytes);
    next.fed += bytes;
    if (next.fed == next.bytes.size()) {
      model_.Apply(next.transaction);
      next.number = model_.size();
      ++result_.transactions;
    }
    RunUntilDone(session);
  }
}

// Writes may have to wait until memtables are flushed or the log is synced.
void Life::RunUntilDone(redis::Session* session) {
  using RunResult = redis::Instance::RunResult;
  for (int tries = 0; instance_->Run(session) == RunResult::kPaused; ++tries) {
    instance_->EndTick();
    executor_->RunAll();
    host_->RunTasks();
    clock_.Advance(10'000);
    if (!plan_->power_is_off()) instance_->Cron();
    instance_->BeginTick();
    if (plan_->power_is_off()) return;
    if (tries > 1000) return Violate("a client waits for ever");
  }
}

void Life::Receive(Client* client) {
  redis::Session* session = instance_->Find(client->id);
  const std::string_view output = session->releasable_output();
  client->received.append(output);
  session->ConsumeOutput(output.size());
  resp::Value value;
  size_t consumed = 0;
  std::string error;
  while (!client->received.empty() && resp::ParseReply(client->received, &value, &consumed,
                                                       &error) == resp::ReplyOutcome::kReply) {
    client->received.erase(0, consumed);
    InFlight& oldest = client->in_flight.front();
    oldest.failed |= value.type == resp::Value::Type::kError;
    if (--oldest.replies_left > 0) continue;
    if (oldest.failed) {
      if (!plan_->power_is_off()) Violate("a transaction failed: " + value.ToString());
    } else {
      promised_ = std::max(promised_, oldest.number);
      if (always_) power_proof_ = promised_;
      ++result_.acknowledged;
    }
    client->in_flight.pop_front();
  }
}

void Life::Die() {
  // What is gone at once writes nothing any more.
  const bool power_went = plan_->power_is_off() || random_.OneIn(2);
  plan_->CutPowerAfter(0);
  instance_.reset();
  executor_.reset();
  std::unique_ptr<lsm::MemFileSystem> left;
  if (power_went) {
    ++result_.power_cuts;
    left = files_->AfterPowerCut(&random_, lsm::PowerLoss::kRandom);
    promised_ = power_proof_;
  } else {
    ++result_.kills;
    left = files_->AfterKill();
  }
  files_ = std::move(left);
}

}  // namespace

ExecPowerCutResult RunExecPowerCuts(uint64_t seed, ExecBug bug, uint64_t least_transactions) {
  return Life(seed, bug).Run(least_transactions);
}

}  // namespace crash
