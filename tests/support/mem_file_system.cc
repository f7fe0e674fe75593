// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/mem_file_system.h"

#include <algorithm>
#include <array>
#include <utility>

#include "lsm/util/check.h"

namespace lsm {
namespace {

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

std::string Message(std::string_view call, const std::string& path, std::string_view why) {
  std::string message(call);
  message += ' ';
  message += path;
  message += ": ";
  message += why;
  return message;
}

Status NoSuchFile(std::string_view call, const std::string& path) {
  return Status::NotFound(Message(call, path, "No such file or directory"));
}
Status FileExists(std::string_view call, const std::string& path) {
  return Status::IoError(Message(call, path, "File exists"));
}

}  // namespace

std::string_view ToString(FileCall call) {
  constexpr std::array<std::string_view, 20> kNames = {
      "create", "write", "allocate", "truncate", "sync", "remove", "rename",
      "link",   "mkdir", "rmdir",    "syncdir",  "lock", "open",   "open-write",
      "read",   "close", "exists",   "size",     "list", "free"};
  return kNames[static_cast<size_t>(call)];
}

// Handles. Each call: ask, lock, act.

class MemFileSystem::ReadHandle : public RandomAccessFile {
 public:
  ReadHandle(const MemFileSystem* fs, NodePtr node) : fs_(fs), node_(std::move(node)) {}

  Result<size_t> ReadAt(uint64_t offset, size_t n, char* scratch) const override {
    const FileVerdict verdict = fs_->AskAbout(FileCall::kRead, *node_, offset, n);
    if (!verdict.status.ok()) return verdict.status;
    MutexLock lock(&fs_->mutex_);
    return node_->content.Read(offset, n, scratch);
  }

  Result<uint64_t> Size() const override {
    const FileVerdict verdict = fs_->AskAbout(FileCall::kFileSize, *node_, 0, 0);
    if (!verdict.status.ok()) return verdict.status;
    MutexLock lock(&fs_->mutex_);
    return node_->content.size();
  }

 private:
  const MemFileSystem* const fs_;
  const NodePtr node_;
};

class MemFileSystem::WriteHandle : public WritableFile {
 public:
  WriteHandle(MemFileSystem* fs, NodePtr node) : fs_(fs), node_(std::move(node)) {}

  Status WriteAt(uint64_t offset, std::string_view data) override {
    VARVE_CHECK(open_);
    const FileVerdict verdict = fs_->AskAbout(FileCall::kWrite, *node_, offset, data.size());
    MutexLock lock(&fs_->mutex_);
    if (!verdict.perform) data = data.substr(0, verdict.torn_at);
    if (offset > kMaxFileSize - data.size()) {
      return Status::IoError(Message("pwrite", node_->path, "File too large"));
    }
    if (!data.empty()) {
      RETURN_IF_ERROR(CheckGrowth(offset + data.size()));
      node_->content.Write(offset, data);
    }
    return verdict.status;
  }

  Status Allocate(uint64_t size) override {
    VARVE_CHECK(open_);
    const FileVerdict verdict = fs_->AskAbout(FileCall::kAllocate, *node_, 0, size);
    if (!verdict.perform) return verdict.status;
    MutexLock lock(&fs_->mutex_);
    if (size > node_->content.size()) RETURN_IF_ERROR(Resize("fallocate", size));
    return verdict.status;
  }

  Status Truncate(uint64_t size) override {
    VARVE_CHECK(open_);
    const FileVerdict verdict = fs_->AskAbout(FileCall::kTruncate, *node_, 0, size);
    if (!verdict.perform) return verdict.status;
    MutexLock lock(&fs_->mutex_);
    RETURN_IF_ERROR(Resize("ftruncate", size));
    return verdict.status;
  }

  Status Sync() override {
    VARVE_CHECK(open_);
    const FileVerdict verdict = fs_->AskAbout(FileCall::kSync, *node_, 0, 0);
    MutexLock lock(&fs_->mutex_);
    if (verdict.mark_clean) node_->content.ForgetUnsynced();
    if (verdict.perform) node_->content.Sync();
    return verdict.status;
  }

  Status Close() override {
    VARVE_CHECK(open_);
    open_ = false;
    return fs_->AskAbout(FileCall::kClose, *node_, 0, 0).status;
  }

 private:
  static constexpr uint64_t kMaxFileSize = uint64_t{1} << 40;

  Status Resize(const char* call, uint64_t size) REQUIRES_LOCK(fs_->mutex_) {
    if (size > kMaxFileSize) return Status::IoError(Message(call, node_->path, "File too large"));
    RETURN_IF_ERROR(CheckGrowth(size));
    node_->content.Truncate(size);
    return {};
  }
  Status CheckGrowth(uint64_t size) REQUIRES_LOCK(fs_->mutex_) {
    if (size <= node_->content.size()) return {};
    return fs_->CheckSpace(node_->path, size - node_->content.size());
  }

  MemFileSystem* const fs_;
  const NodePtr node_;
  bool open_ = true;
};

class MemFileSystem::HeldLock : public FileLock {
 public:
  HeldLock(MemFileSystem* fs, std::string path) : fs_(fs), path_(std::move(path)) {}
  ~HeldLock() override {
    MutexLock lock(&fs_->mutex_);
    fs_->locked_.erase(path_);
  }

 private:
  MemFileSystem* const fs_;
  const std::string path_;
};

// Helpers.

// "a/b" for "/a/./b/": the root is the empty path.
std::string MemFileSystem::Normal(std::string_view path) {
  std::string normal;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (!normal.empty()) normal += '/';
    normal += part;
  }
  return normal;
}

FileVerdict MemFileSystem::Ask(const FileCallInfo& info) const {
  return interceptor_ == nullptr ? FileVerdict::Proceed() : interceptor_->Before(info);
}

FileVerdict MemFileSystem::AskAbout(FileCall call, const Node& node, uint64_t offset,
                                    uint64_t size) const {
  if (interceptor_ == nullptr) return FileVerdict::Proceed();
  std::string path;
  {
    MutexLock lock(&mutex_);
    path = node.path;
  }
  return interceptor_->Before({call, path, {}, offset, size});
}

MemFileSystem::NodePtr MemFileSystem::Find(const std::string& path) const {
  const auto found = names_.find(path);
  return found == names_.end() ? nullptr : found->second;
}

Result<MemFileSystem::NodePtr> MemFileSystem::FindFile(const char* call,
                                                       const std::string& path) const {
  NodePtr node = Find(path);
  if (node == nullptr) return NoSuchFile(call, path);
  if (node->is_directory) return Status::IoError(Message(call, path, "Is a directory"));
  return node;
}

Status MemFileSystem::CheckDirectory(const char* call, const std::string& path) const {
  if (path.empty()) return {};
  const NodePtr node = Find(path);
  if (node == nullptr) return NoSuchFile(call, path);
  if (!node->is_directory) return Status::IoError(Message(call, path, "Not a directory"));
  return {};
}

uint64_t MemFileSystem::UsedSpace() const {
  std::set<const Node*> nodes;  // a file with two names takes its space once
  uint64_t used = 0;
  for (const auto& [path, node] : names_) {
    if (nodes.insert(node.get()).second) used += node->content.size();
  }
  return used;
}

Status MemFileSystem::CheckSpace(const std::string& path, uint64_t growth) const {
  if (capacity_ == kUnlimited) return {};
  const uint64_t used = UsedSpace();
  if (used <= capacity_ && growth <= capacity_ - used) return {};
  return Status::NoSpace(Message("pwrite", path, "No space left on device"));
}

void MemFileSystem::Apply(NameChange change) {
  if (change.node == nullptr) {
    names_.erase(change.path);
  } else {
    change.node->path = change.path;
    names_[change.path] = change.node;
  }
  if (!change.renamed_from.empty()) names_.erase(change.renamed_from);
  pending_.push_back(std::move(change));
}

void MemFileSystem::MoveNamesBelow(const std::string& from, const std::string& to, Names* names) {
  const std::string prefix = from + "/";
  for (auto at = names->lower_bound(prefix); at != names->end() && at->first.starts_with(prefix);) {
    if (!to.empty()) (*names)[to + "/" + at->first.substr(prefix.size())] = at->second;
    at = names->erase(at);
  }
}

void MemFileSystem::MakeDurable(const NameChange& change, Names* durable) {
  if (change.node == nullptr) {
    durable->erase(change.path);
    MoveNamesBelow(change.path, "", durable);  // of a directory
  } else {
    (*durable)[change.path] = change.node;
  }
  if (change.renamed_from.empty()) return;
  durable->erase(change.renamed_from);
  if (change.node->is_directory) MoveNamesBelow(change.renamed_from, change.path, durable);
}

Result<MemFileSystem::NodePtr> MemFileSystem::CreateNode(const std::string& path, bool truncate) {
  NodePtr node = Find(path);
  if (node != nullptr) {
    if (!truncate) return FileExists("open", path);
    if (node->is_directory) return Status::IoError(Message("open", path, "Is a directory"));
    node->content.Truncate(0);
    return node;
  }
  RETURN_IF_ERROR(CheckDirectory("open", ParentOf(path)));
  node = std::make_shared<Node>();
  Apply({path, node, {}});
  return node;
}

// FileSystem.

Result<std::unique_ptr<RandomAccessFile>> MemFileSystem::OpenForRead(const std::string& path,
                                                                     AccessPattern /*pattern*/) {
  const std::string name = Normal(path);
  const FileVerdict verdict = Ask({FileCall::kOpenForRead, name, {}});
  if (!verdict.status.ok()) return verdict.status;
  MutexLock lock(&mutex_);
  Result<NodePtr> node = FindFile("open", name);
  RETURN_IF_ERROR(node.status());
  return std::unique_ptr<RandomAccessFile>(std::make_unique<ReadHandle>(this, *node));
}

Result<std::unique_ptr<WritableFile>> MemFileSystem::Create(const std::string& path,
                                                            bool truncate) {
  const std::string name = Normal(path);
  const FileVerdict verdict = Ask({FileCall::kCreate, name, {}});
  if (!verdict.perform) return verdict.status;
  MutexLock lock(&mutex_);
  Result<NodePtr> node = CreateNode(name, truncate);
  RETURN_IF_ERROR(node.status());
  RETURN_IF_ERROR(verdict.status);
  return std::unique_ptr<WritableFile>(std::make_unique<WriteHandle>(this, *node));
}

Result<std::unique_ptr<WritableFile>> MemFileSystem::OpenForWrite(const std::string& path) {
  const std::string name = Normal(path);
  const FileVerdict verdict = Ask({FileCall::kOpenForWrite, name, {}});
  if (!verdict.status.ok()) return verdict.status;
  MutexLock lock(&mutex_);
  Result<NodePtr> node = FindFile("open", name);
  RETURN_IF_ERROR(node.status());
  return std::unique_ptr<WritableFile>(std::make_unique<WriteHandle>(this, *node));
}

Status MemFileSystem::Remove(const std::string& path) {
  const std::string name = Normal(path);
  const FileVerdict verdict = Ask({FileCall::kRemove, name, {}});
  if (!verdict.perform) return verdict.status;
  MutexLock lock(&mutex_);
  RETURN_IF_ERROR(FindFile("unlink", name).status());
  Apply({name, nullptr, {}});
  return verdict.status;
}

Status MemFileSystem::Rename(const std::string& from, const std::string& to) {
  const std::string old_name = Normal(from);
  const std::string new_name = Normal(to);
  const FileVerdict verdict = Ask({FileCall::kRename, old_name, new_name});
  if (!verdict.perform) return verdict.status;
  if (ParentOf(old_name) != ParentOf(new_name)) {
    return Status::InvalidArgument(Message("rename", old_name, "to another directory"));
  }
  MutexLock lock(&mutex_);
  const NodePtr replaced = Find(new_name);
  if (const NodePtr found = Find(old_name); found != nullptr && found->is_directory) {
    RETURN_IF_ERROR(RenameDirectory(found, old_name, new_name));
    return verdict.status;
  }
  Result<NodePtr> node = FindFile("rename", old_name);
  RETURN_IF_ERROR(node.status());
  if (replaced != nullptr && replaced->is_directory) {
    return Status::IoError(Message("rename", new_name, "Is a directory"));
  }
  // Two names of one file: nothing happens.
  if (replaced != *node) Apply({new_name, *node, old_name});
  return verdict.status;
}

Status MemFileSystem::RenameDirectory(const NodePtr& node, const std::string& from,
                                      const std::string& to) {
  if (Find(to) != nullptr) return FileExists("rename", to);
  for (const NameChange& change : pending_) {
    if (ParentOf(change.path) != from) continue;
    return Status::InvalidArgument(Message("rename", from, "names in it are not durable"));
  }
  MoveNamesBelow(from, to, &names_);
  for (auto at = names_.lower_bound(to + "/"); at != names_.end(); ++at) {
    if (!at->first.starts_with(to + "/")) break;
    at->second->path = at->first;
  }
  Apply({to, node, from});
  return {};
}

Status MemFileSystem::Link(const std::string& from, const std::string& to) {
  const std::string old_name = Normal(from);
  const std::string new_name = Normal(to);
  const FileVerdict verdict = Ask({FileCall::kLink, old_name, new_name});
  if (!verdict.perform) return verdict.status;
  MutexLock lock(&mutex_);
  Result<NodePtr> node = FindFile("link", old_name);
  RETURN_IF_ERROR(node.status());
  RETURN_IF_ERROR(CheckDirectory("link", ParentOf(new_name)));
  if (Find(new_name) != nullptr) return FileExists("link", new_name);
  Apply({new_name, *node, {}});
  return verdict.status;
}

Result<bool> MemFileSystem::Exists(const std::string& path) {
  const std::string name = Normal(path);
  const FileVerdict verdict = Ask({FileCall::kExists, name, {}});
  if (!verdict.status.ok()) return verdict.status;
  MutexLock lock(&mutex_);
  return name.empty() || Find(name) != nullptr;
}

Result<uint64_t> MemFileSystem::FileSize(const std::string& path) {
  const std::string name = Normal(path);
  const FileVerdict verdict = Ask({FileCall::kFileSize, name, {}});
  if (!verdict.status.ok()) return verdict.status;
  MutexLock lock(&mutex_);
  Result<NodePtr> node = FindFile("stat", name);
  RETURN_IF_ERROR(node.status());
  return (*node)->content.size();
}

Status MemFileSystem::CreateDirectory(const std::string& path) {
  const std::string name = Normal(path);
  const FileVerdict verdict = Ask({FileCall::kCreateDirectory, name, {}});
  if (!verdict.perform) return verdict.status;
  MutexLock lock(&mutex_);
  if (name.empty()) return verdict.status;
  if (const NodePtr node = Find(name); node != nullptr) {
    return node->is_directory ? verdict.status : FileExists("mkdir", name);
  }
  RETURN_IF_ERROR(CheckDirectory("mkdir", ParentOf(name)));
  auto node = std::make_shared<Node>();
  node->is_directory = true;
  Apply({name, std::move(node), {}});
  return verdict.status;
}

Status MemFileSystem::RemoveDirectory(const std::string& path) {
  const std::string name = Normal(path);
  const FileVerdict verdict = Ask({FileCall::kRemoveDirectory, name, {}});
  if (!verdict.perform) return verdict.status;
  MutexLock lock(&mutex_);
  if (name.empty()) return Status::IoError(Message("rmdir", "/", "Device or resource busy"));
  RETURN_IF_ERROR(CheckDirectory("rmdir", name));
  const auto inside = names_.lower_bound(name + "/");
  if (inside != names_.end() && inside->first.starts_with(name + "/")) {
    return Status::IoError(Message("rmdir", name, "Directory not empty"));
  }
  Apply({name, nullptr, {}});
  return verdict.status;
}

Result<std::vector<std::string>> MemFileSystem::List(const std::string& path) {
  const std::string name = Normal(path);
  const FileVerdict verdict = Ask({FileCall::kList, name, {}});
  if (!verdict.status.ok()) return verdict.status;
  MutexLock lock(&mutex_);
  RETURN_IF_ERROR(CheckDirectory("opendir", name));
  const std::string prefix = name.empty() ? "" : name + "/";
  std::vector<std::string> names;
  for (auto at = names_.lower_bound(prefix); at != names_.end(); ++at) {
    if (!at->first.starts_with(prefix)) break;
    const std::string rest = at->first.substr(prefix.size());
    if (rest.find('/') == std::string::npos) names.push_back(rest);
  }
  return names;
}

Status MemFileSystem::SyncDirectory(const std::string& path) {
  const std::string name = Normal(path);
  const FileVerdict verdict = Ask({FileCall::kSyncDirectory, name, {}});
  if (!verdict.perform) return verdict.status;
  MutexLock lock(&mutex_);
  RETURN_IF_ERROR(CheckDirectory("open", name));
  std::vector<NameChange> elsewhere;
  for (NameChange& change : pending_) {
    if (ParentOf(change.path) != name) {
      elsewhere.push_back(std::move(change));
      continue;
    }
    MakeDurable(change, &durable_names_);
  }
  pending_ = std::move(elsewhere);
  return verdict.status;
}

Result<uint64_t> MemFileSystem::FreeSpace(const std::string& path) {
  const std::string name = Normal(path);
  const FileVerdict verdict = Ask({FileCall::kFreeSpace, name, {}});
  if (!verdict.status.ok()) return verdict.status;
  MutexLock lock(&mutex_);
  if (!name.empty() && Find(name) == nullptr) return NoSuchFile("statvfs", name);
  const uint64_t used = UsedSpace();
  return capacity_ - std::min(capacity_, used);
}

Result<std::unique_ptr<FileLock>> MemFileSystem::Lock(const std::string& path) {
  const std::string name = Normal(path);
  const FileVerdict verdict = Ask({FileCall::kLock, name, {}});
  if (!verdict.status.ok()) return verdict.status;
  MutexLock lock(&mutex_);
  if (Find(name) == nullptr) RETURN_IF_ERROR(CreateNode(name, false).status());
  if (!locked_.insert(name).second) return Status::Busy(Message("lock", name, "held already"));
  return std::unique_ptr<FileLock>(std::make_unique<HeldLock>(this, name));
}

}  // namespace lsm
