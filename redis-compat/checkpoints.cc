// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/checkpoints.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "redis-compat/instance.h"

namespace redis {
namespace {

constexpr std::string_view kDirectory = "/checkpoints";
constexpr std::string_view kDatabase = "/varve";
// How long the `save` directive waits after a failure.
constexpr int64_t kRetryMs = 5000;

// "20261120-101433.123"
bool IsName(std::string_view name) {
  constexpr std::string_view kPattern = "dddddddd-dddddd.ddd";
  if (name.size() != kPattern.size()) return false;
  return std::equal(name.begin(), name.end(), kPattern.begin(), [](char c, char pattern) {
    return pattern == 'd' ? c >= '0' && c <= '9' : c == pattern;
  });
}

std::string NameOf(int64_t time_ms) {
  const std::time_t seconds = time_ms / 1000;
  std::tm utc = {};
  gmtime_r(&seconds, &utc);
  char date[32];
  const size_t length = strftime(date, sizeof(date), "%Y%m%d-%H%M%S", &utc);
  return fmt::format("{}.{:03}", std::string_view(date, length), time_ms % 1000);
}

}  // namespace

// As after a save: what was acknowledged survives.
Checkpoints::Checkpoints(Instance* instance)
    : instance_(instance), last_save_s_(instance->clock().NowMicros() / 1'000'000) {}

void Checkpoints::Open(lsm::FileSystem* fs, const std::string& data_directory) {
  fs_ = fs;
  directory_ = data_directory + std::string(kDirectory);
  saved_through_ = instance_->db().visible_sequence();
  if (fs_ == nullptr) return;
  const lsm::Result<bool> exists = fs_->Exists(directory_);
  if (!exists.ok() || !*exists) return;
  const lsm::Result<std::vector<std::string>> names = fs_->List(directory_);
  if (!names.ok()) {
    instance_->host().Log(lsm::LogLevel::kWarning, names.status().ToString());
    return;
  }
  for (const std::string& name : *names) {
    if (IsName(name)) Sweep(name);
  }
  std::sort(names_.begin(), names_.end());
}

void Checkpoints::Sweep(const std::string& name) {
  const std::string database = PathOf(name) + std::string(kDatabase);
  const lsm::Result<bool> whole = fs_->Exists(database);
  if (whole.ok() && *whole) {
    names_.push_back(name);
    return;
  }
  lsm::Status removed = whole.status();
  const lsm::Result<bool> begun = fs_->Exists(database + ".tmp");
  if (begun.ok() && *begun) removed = lsm::RemoveDatabase(fs_, database + ".tmp");
  if (removed.ok()) removed = fs_->RemoveDirectory(PathOf(name));
  instance_->host().Log(removed.ok() ? lsm::LogLevel::kNotice : lsm::LogLevel::kWarning,
                        removed.ok()
                            ? "Removed what was left of a checkpoint: " + name
                            : "Cannot remove what was left of a checkpoint: " + removed.ToString());
}

std::string Checkpoints::NewName() const {
  int64_t time_ms = instance_->clock().NowMicros() / 1000;
  // Later than all others, also when the clock was put back.
  std::string name = NameOf(time_ms);
  while (!names_.empty() && name <= names_.back()) name = NameOf(++time_ms);
  return name;
}

std::vector<std::string> Checkpoints::Obsolete() const {
  std::vector<std::string> obsolete;
  const auto kept = static_cast<size_t>(instance_->settings().checkpoints_kept);
  for (size_t i = 0; i + kept < names_.size() + 1; ++i) {
    obsolete.push_back(PathOf(names_[i]) + std::string(kDatabase));
  }
  return obsolete;
}

lsm::Status Checkpoints::Start() {
  if (running_) return lsm::Status::Busy("Background save already in progress");
  // What was executed before belongs to it, so it has to be in the log.
  RETURN_IF_ERROR(instance_->CloseGroup());
  scheduled_ = false;
  current_ = NewName();
  begun_ms_ = last_try_ms_ = instance_->now_ms();
  own_units_at_start_ = own_units_;
  own_since_start_.clear();
  ++begun_;
  running_ = true;
  lsm::Status status =
      instance_->db().StartCheckpoint(PathOf(current_) + std::string(kDatabase), Obsolete());
  if (!status.ok()) {
    OnEnd(status, {});
    return status;
  }
  instance_->host().Log(lsm::LogLevel::kNotice,
                        "Background saving started: checkpoint " + current_);
  return {};
}

void Checkpoints::OnEnd(const lsm::Status& status, const lsm::CheckpointInfo& info) {
  if (!running_) return;
  running_ = false;
  last_result_ = status;
  last_duration_s_ = (instance_->clock().NowMicros() / 1000 - begun_ms_) / 1000;
  if (status.ok()) {
    ++saves_;
    last_save_s_ = instance_->clock().NowMicros() / 1'000'000;
    saved_through_ = info.sequence;
    own_units_saved_ = own_units_at_start_;
    for (const lsm::SequenceNumber own : own_since_start_) {
      if (own <= info.sequence) ++own_units_saved_;
    }
    ForgetRemoved();
    names_.push_back(current_);
    instance_->host().Log(lsm::LogLevel::kNotice, "DB saved on disk");
    instance_->host().Log(
        lsm::LogLevel::kNotice,
        fmt::format("Background saving terminated with success: {} files of {} MB linked, {} MB "
                    "copied",
                    info.files, info.linked_bytes >> 20, info.copied_bytes >> 20));
  } else {
    if (fs_ != nullptr) static_cast<void>(fs_->RemoveDirectory(PathOf(current_)).ok());
    instance_->host().Log(lsm::LogLevel::kWarning, "Background saving error: " + status.ToString());
  }
  current_.clear();
  instance_->OnCheckpointEnd();
}

// The engine has removed their databases.
void Checkpoints::ForgetRemoved() {
  if (fs_ == nullptr) names_.clear();
  std::erase_if(names_, [this](const std::string& name) {
    const lsm::Result<bool> there = fs_->Exists(PathOf(name) + std::string(kDatabase));
    if (!there.ok() || *there) return false;
    static_cast<void>(fs_->RemoveDirectory(PathOf(name)).ok());  // or the next start does
    return true;
  });
}

void Checkpoints::Cron() {
  if (running_ || (!scheduled_ && !IsDue())) return;
  static_cast<void>(Start().ok());  // a failure was logged
}

bool Checkpoints::IsDue() const {
  if (instance_->settings().save.empty()) return false;
  const int64_t now_ms = instance_->now_ms();
  if (!last_result_.ok() && now_ms - last_try_ms_ < kRetryMs) return false;
  const uint64_t changed = changes();
  for (const SavePoint& point : instance_->settings().save) {
    if (changed < point.changes || now_ms / 1000 - last_save_s_ <= point.seconds) continue;
    instance_->host().Log(lsm::LogLevel::kNotice, fmt::format("{} changes in {} seconds. Saving...",
                                                              point.changes, point.seconds));
    return true;
  }
  return false;
}

int64_t Checkpoints::current_duration_s() const {
  return running_ ? (instance_->now_ms() - begun_ms_) / 1000 : -1;
}

uint64_t Checkpoints::changes() const {
  const uint64_t units = instance_->db().visible_sequence() - saved_through_;
  const uint64_t own = own_units_ - own_units_saved_;
  return units - std::min(units, own);
}

}  // namespace redis
