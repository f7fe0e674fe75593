// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/db/checkpoint_writer.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "lsm/format/file_names.h"
#include "lsm/wal/log_reader.h"

namespace lsm {
namespace {

constexpr char kTemporarySuffix[] = ".tmp";
constexpr size_t kChunk = size_t{256} << 10;
// So much is copied between two syncs: one large sync would delay those that writers wait for.
constexpr uint64_t kSyncEvery = uint64_t{8} << 20;
constexpr uint64_t kManifestNumber = 1;

std::string ParentOf(const std::string& directory) {
  const size_t slash = directory.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : directory.substr(0, slash);
}

// The names in a directory, all of them a database's.
Result<std::vector<std::string>> ListDatabase(FileSystem* fs, const std::string& directory) {
  Result<std::vector<std::string>> names = fs->List(directory);
  RETURN_IF_ERROR(names.status());
  for (const std::string& name : *names) {
    uint64_t number = 0;
    if (ParseFileName(name, &number) != FileKind::kForeign) continue;
    return Status::InvalidArgument(directory + ": holds a file that is not of a database: " + name);
  }
  return names;
}

// Makes a directory and those above it, as far as they are missing; their names are durable.
Status MakeDirectories(FileSystem* fs, const std::string& directory) {
  const Result<bool> exists = fs->Exists(directory);
  RETURN_IF_ERROR(exists.status());
  const std::string parent = ParentOf(directory);
  if (*exists || parent == directory) return {};
  RETURN_IF_ERROR(MakeDirectories(fs, parent));
  RETURN_IF_ERROR(fs->CreateDirectory(directory));
  Status synced = fs->SyncDirectory(parent);
  if (synced.ok()) return synced;
  const Status removed = fs->RemoveDirectory(directory);  // or else it would be taken for durable
  static_cast<void>(removed.ok());
  return synced;
}

// Removes a directory that nobody takes for a database.
Status RemoveUnnamed(FileSystem* fs, const std::string& directory) {
  const Result<std::vector<std::string>> names = ListDatabase(fs, directory);
  RETURN_IF_ERROR(names.status());
  for (const std::string& name : *names) RETURN_IF_ERROR(fs->Remove(directory + "/" + name));
  RETURN_IF_ERROR(fs->RemoveDirectory(directory));
  return fs->SyncDirectory(ParentOf(directory));
}

}  // namespace

Status RemoveDatabase(FileSystem* fs, const std::string& directory) {
  if (directory.ends_with(kTemporarySuffix)) return RemoveUnnamed(fs, directory);
  RETURN_IF_ERROR(ListDatabase(fs, directory).status());
  const std::string temporary = directory + kTemporarySuffix;
  const Result<bool> left = fs->Exists(temporary);
  RETURN_IF_ERROR(left.status());
  if (*left) RETURN_IF_ERROR(RemoveUnnamed(fs, temporary));
  Result<std::unique_ptr<FileLock>> lock = fs->Lock(LockFileName(directory));
  RETURN_IF_ERROR(lock.status());
  RETURN_IF_ERROR(fs->SyncDirectory(directory));
  RETURN_IF_ERROR(fs->Rename(directory, temporary));
  RETURN_IF_ERROR(fs->SyncDirectory(ParentOf(directory)));
  return RemoveUnnamed(fs, temporary);
}

Result<CheckpointInfo> CheckpointWriter::Write(const CheckpointSource& source,
                                               const std::string& directory) {
  const std::string temporary = directory + kTemporarySuffix;
  Status status = Fill(source, temporary);
  if (status.ok()) status = CheckCancelled();
  if (status.ok()) status = fs_->Rename(temporary, directory);
  if (!status.ok()) {
    const Status removed = RemoveUnnamed(fs_, temporary);
    static_cast<void>(removed.ok());  // the next attempt removes it
    return status;
  }
  if (Status synced = fs_->SyncDirectory(ParentOf(directory)); !synced.ok()) {
    // It is whole, but nobody may be told so: it might be gone after a power cut.
    const Status removed = RemoveDatabase(fs_, directory);
    static_cast<void>(removed.ok());
    return synced;
  }
  return info_;
}

Status CheckpointWriter::Fill(const CheckpointSource& source, const std::string& directory) {
  const Result<bool> left = fs_->Exists(directory);
  RETURN_IF_ERROR(left.status());
  if (*left) RETURN_IF_ERROR(RemoveUnnamed(fs_, directory));
  RETURN_IF_ERROR(MakeDirectories(fs_, ParentOf(directory)));
  RETURN_IF_ERROR(fs_->CreateDirectory(directory));
  info_ = CheckpointInfo();
  info_.sequence = source.sequence;
  RETURN_IF_ERROR(CopyFiles(source, directory));
  RETURN_IF_ERROR(CopyLogs(source, directory));
  RETURN_IF_ERROR(CheckLogs(source, directory));
  RETURN_IF_ERROR(fs_->SyncDirectory(directory));
  // The writer closes the manifest when it goes.
  return ManifestWriter::Create(fs_, directory, kManifestNumber, source.state).status();
}

Status CheckpointWriter::CopyFiles(const CheckpointSource& source, const std::string& directory) {
  for (const auto& [number, file] : source.files) {
    RETURN_IF_ERROR(CheckCancelled());
    const std::string from = DataFileName(source.directory, file.kind, number);
    const std::string to = DataFileName(directory, file.kind, number);
    ++info_.files;
    if (!fs_->Link(from, to).ok()) {  // another device, or too many links: why does not matter
      RETURN_IF_ERROR(Copy(from, to, 0));
      continue;
    }
    const Result<uint64_t> size = fs_->FileSize(to);
    RETURN_IF_ERROR(size.status());
    info_.linked_bytes += *size;
    meter_->done.fetch_add(*size, std::memory_order_relaxed);
  }
  return {};
}

Status CheckpointWriter::CopyLogs(const CheckpointSource& source, const std::string& directory) {
  for (const WalManager::Part& log : source.logs) {
    RETURN_IF_ERROR(Copy(WalFileName(source.directory, log.number),
                         WalFileName(directory, log.number), log.size));
  }
  return {};
}

Status CheckpointWriter::Copy(const std::string& from, const std::string& to, uint64_t size) {
  const Result<std::unique_ptr<RandomAccessFile>> in =
      fs_->OpenForRead(from, AccessPattern::kSequential);
  RETURN_IF_ERROR(in.status());
  if (size == 0) {
    const Result<uint64_t> whole = (*in)->Size();
    RETURN_IF_ERROR(whole.status());
    size = *whole;
  }
  const Result<std::unique_ptr<WritableFile>> out = fs_->Create(to, /*truncate=*/false);
  RETURN_IF_ERROR(out.status());
  const auto buffer = std::make_unique<char[]>(kChunk);
  uint64_t synced = 0;
  for (uint64_t at = 0; at < size;) {
    RETURN_IF_ERROR(CheckCancelled());
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(kChunk, size - at));
    const Result<size_t> n = (*in)->ReadAt(at, wanted, buffer.get());
    RETURN_IF_ERROR(n.status());
    if (*n < wanted) {
      return Status::Corruption(from + ": offset " + std::to_string(at + *n) +
                                ": the file ends here, but " + std::to_string(size) +
                                " bytes were written");
    }
    RETURN_IF_ERROR((*out)->WriteAt(at, {buffer.get(), wanted}));
    at += wanted;
    info_.copied_bytes += wanted;
    meter_->done.fetch_add(wanted, std::memory_order_relaxed);
    if (at < size && at - synced >= kSyncEvery) {
      RETURN_IF_ERROR((*out)->Sync());
      synced = at;
    }
  }
  RETURN_IF_ERROR((*out)->Sync());
  return (*out)->Close();
}

Status CheckpointWriter::CheckLogs(const CheckpointSource& source,
                                   const std::string& directory) const {
  LogRecoveryInput input;
  input.fs = fs_;
  input.directory = directory;
  input.segments.assign(source.state.logs.begin(), source.state.logs.end());
  input.start = source.state.log_start;
  input.mark = source.sequence;
  const Result<LogRecovery> log = ReplayLog(
      input, [this](SequenceNumber, uint32_t, std::string_view) { return CheckCancelled(); }, {},
      {});
  RETURN_IF_ERROR(log.status());
  if (log->end.last_sequence == source.sequence) return {};
  return Status::Corruption(directory + ": the copied log ends at unit " +
                            std::to_string(log->end.last_sequence) + " instead of " +
                            std::to_string(source.sequence));
}

Status CheckpointWriter::CheckCancelled() const {
  if (!cancel_->load(std::memory_order_relaxed)) return {};
  return Status::Aborted("the checkpoint was not finished: the database is closing");
}

}  // namespace lsm
