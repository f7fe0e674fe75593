// SPDX-License-Identifier: BSD-3-Clause
// What a MemFileSystem leaves behind, and what tests do to it from outside.
#include <unordered_map>
#include <utility>

#include "lsm/util/check.h"
#include "tests/support/mem_file_system.h"

namespace lsm {

void MemFileSystem::SetCapacity(uint64_t bytes) {
  MutexLock lock(&mutex_);
  capacity_ = bytes;
}

void MemFileSystem::WriteBackSome(Random* random) {
  DurabilityCoin coin(random, PowerLoss::kRandom);
  MutexLock lock(&mutex_);
  for (const auto& [path, node] : names_) {
    if (node->content.HasUnsynced() && random->OneIn(2)) node->content.WriteBack(&coin);
  }
  auto change = pending_.begin();
  for (; change != pending_.end() && coin.Keep(); ++change) MakeDurable(*change, &durable_names_);
  pending_.erase(pending_.begin(), change);
}

std::unique_ptr<MemFileSystem> MemFileSystem::AfterKill() const {
  auto image = std::make_unique<MemFileSystem>();
  MutexLock lock(&mutex_);
  MutexLock image_lock(&image->mutex_);
  std::unordered_map<const Node*, NodePtr> copies;
  const auto copy = [&copies](const NodePtr& node) {
    if (node == nullptr) return node;
    NodePtr& made = copies[node.get()];
    if (made == nullptr) made = std::make_shared<Node>(*node);
    return made;
  };
  for (const auto& [path, node] : names_) image->names_.emplace(path, copy(node));
  for (const auto& [path, node] : durable_names_) image->durable_names_.emplace(path, copy(node));
  for (const NameChange& change : pending_) {
    image->pending_.push_back({change.path, copy(change.node), change.renamed_from});
  }
  image->capacity_ = capacity_;
  return image;
}

// 1. Begin with the durable names. 2. Keep or lose each later change, in the order they were made;
// of a rename that is kept, the removal of the old name may be lost. 3. Drop what lies in lost
// directories. 4. Of each file, keep what the cut leaves; names of one file keep sharing it.
std::unique_ptr<MemFileSystem> MemFileSystem::AfterPowerCut(Random* random, PowerLoss loss) const {
  auto image = std::make_unique<MemFileSystem>();
  MutexLock lock(&mutex_);
  MutexLock image_lock(&image->mutex_);
  DurabilityCoin name_coin(random, loss);
  Names names = durable_names_;
  for (const NameChange& change : pending_) {
    if (!name_coin.Keep()) continue;
    const bool is_directory = change.node != nullptr && change.node->is_directory;
    const bool old_name_goes = name_coin.Keep() || is_directory;
    MakeDurable({change.path, change.node, old_name_goes ? change.renamed_from : ""}, &names);
  }

  DurabilityCoin content_coin(random, loss);
  std::unordered_map<const Node*, NodePtr> copies;
  Names& left = image->names_;
  for (const auto& [path, node] : names) {  // a directory comes before what is in it
    const size_t slash = path.rfind('/');
    if (slash != std::string::npos) {
      const auto parent = left.find(path.substr(0, slash));
      if (parent == left.end() || !parent->second->is_directory) continue;
    }
    NodePtr& copy = copies[node.get()];
    if (copy == nullptr) {
      copy = std::make_shared<Node>();
      copy->is_directory = node->is_directory;
      copy->path = path;
      copy->content = node->content.AfterPowerCut(&content_coin);
    }
    left.emplace(path, copy);
  }
  image->durable_names_ = left;
  image->capacity_ = capacity_;
  return image;
}

std::vector<std::string> MemFileSystem::Files() const {
  MutexLock lock(&mutex_);
  std::vector<std::string> files;
  for (const auto& [path, node] : names_) {
    if (!node->is_directory) files.push_back(path);
  }
  return files;
}

std::string MemFileSystem::Contents(const std::string& path) const {
  MutexLock lock(&mutex_);
  const NodePtr node = Find(Normal(path));
  VARVE_CHECK(node != nullptr);
  std::string bytes(static_cast<size_t>(node->content.size()), '\0');
  node->content.Read(0, bytes.size(), bytes.data());
  return bytes;
}

void MemFileSystem::SetContents(const std::string& path, std::string_view bytes) {
  MutexLock lock(&mutex_);
  const std::string name = Normal(path);
  NodePtr node = Find(name);
  if (node == nullptr) node = std::make_shared<Node>();
  node->path = name;
  node->content = MemFile();
  node->content.Write(0, bytes);
  node->content.Sync();
  std::erase_if(pending_, [&](const NameChange& change) { return change.path == name; });
  names_[name] = node;
  durable_names_[name] = node;
}

void MemFileSystem::Damage(const std::string& path, uint64_t offset, uint8_t mask) {
  MutexLock lock(&mutex_);
  const NodePtr node = Find(Normal(path));
  VARVE_CHECK(node != nullptr);
  node->content.Damage(offset, mask);
}

void MemFileSystem::Delete(const std::string& path) {
  MutexLock lock(&mutex_);
  const std::string name = Normal(path);
  VARVE_CHECK(Find(name) != nullptr);
  std::erase_if(pending_, [&](const NameChange& change) { return change.path == name; });
  names_.erase(name);
  durable_names_.erase(name);
}

}  // namespace lsm
