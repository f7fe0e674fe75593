// SPDX-License-Identifier: BSD-3-Clause
// varve-tool memtable: portable memtable dumps as files, read into the engine's own memtable,
// changed there and written back. A file is replaced in one step, so it is whole at every moment.

#include <unistd.h>

#include <memory>
#include <string>

#include "lsm/memtable/memtable_dump.h"
#include "lsm/tool/command.h"

namespace lsm::tool {

constinit const std::string_view kMemtableUsage =
    "varve-tool memtable new  PATH             an empty table\n"
    "varve-tool memtable put  PATH KEY VALUE\n"
    "varve-tool memtable del  PATH KEY         writes a tombstone, whether or not KEY is there\n"
    "varve-tool memtable get  PATH KEY         prints `value: <hex>`, `tombstone` or `absent`\n"
    "varve-tool memtable iter PATH             a line an entry: `V <hex key> <hex value>` or\n"
    "                                          `T <hex key>`\n"
    "varve-tool memtable bulk PATH N           opens or makes PATH, puts key0..key{N-1} =\n"
    "                                          val0..val{N-1}\n"
    "varve-tool memtable size PATH             prints `entries=N size_bytes=B`\n";

namespace {

constexpr uint64_t kMaxBulk = 100'000'000;  // its dump is below kMaxMemTableDump

using TableResult = Result<std::unique_ptr<MemTable>>;

TableResult Load(FileSystem* fs, const std::string& path) {
  auto bytes = ReadFile(fs, path, kMaxMemTableDump);
  if (!bytes.ok()) return bytes.status();
  auto table = LoadMemTableDump(*bytes);
  if (table.ok()) return table;
  return Status::Corruption(path + ": " + std::string(table.status().message()));
}

TableResult LoadOrNew(FileSystem* fs, const std::string& path) {
  const auto exists = fs->Exists(path);
  if (!exists.ok()) return exists.status();
  if (!*exists) return std::make_unique<MemTable>();
  return Load(fs, path);
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status WriteAndSync(FileSystem* fs, const MemTable& table, const std::string& path) {
  auto file = fs->Create(path, /*truncate=*/true);
  if (!file.ok()) return file.status();
  RETURN_IF_ERROR(DumpMemTable(table, file->get()));
  RETURN_IF_ERROR((*file)->Sync());
  return (*file)->Close();
}

// 1. Writes and syncs the table to a file of its own beside `path`.
// 2. Renames it to `path`: whoever opens that finds the old bytes or the new ones.
// 3. Syncs the directory, so that the new name survives a power cut.
Status Store(FileSystem* fs, const MemTable& table, const std::string& path) {
  const std::string temporary = path + "." + std::to_string(getpid()) + ".tmp";
  Status status = WriteAndSync(fs, table, temporary);
  if (status.ok()) status = fs->Rename(temporary, path);
  if (!status.ok()) {
    // What counts is why it failed; the left-over may not even exist.
    [[maybe_unused]] const Status removed = fs->Remove(temporary);
    return status;
  }
  return fs->SyncDirectory(DirectoryOf(path));
}

int New(FileSystem* fs, Arguments arguments) {
  const Status status = Store(fs, MemTable(), std::string(arguments[0]));
  return status.ok() ? kDone : Fail(status);
}

int Change(FileSystem* fs, Arguments arguments, RecordType type, std::string_view value) {
  const std::string path(arguments[0]);
  const auto table = Load(fs, path);
  if (!table.ok()) return Fail(table.status());
  MemTable& memtable = **table;
  memtable.Add(memtable.largest_sequence() + 1, type, arguments[1], value);
  const Status status = Store(fs, memtable, path);
  return status.ok() ? kDone : Fail(status);
}

int Put(FileSystem* fs, Arguments arguments) {
  return Change(fs, arguments, RecordType::kValue, arguments[2]);
}

int Del(FileSystem* fs, Arguments arguments) {
  return Change(fs, arguments, RecordType::kTombstone, "");
}

int Get(FileSystem* fs, Arguments arguments) {
  const auto table = Load(fs, std::string(arguments[0]));
  if (!table.ok()) return Fail(table.status());
  std::string_view value;
  const TableLookup found = (*table)->Get(arguments[1], kMaxSequence, &value);
  std::string line = "absent";
  if (found.found && found.type == RecordType::kTombstone) line = "tombstone";
  if (found.found && found.type == RecordType::kValue) {
    line = "value: ";
    AppendHex(value, &line);
  }
  Print(line += '\n');
  return kDone;
}

int Iter(FileSystem* fs, Arguments arguments) {
  const auto table = Load(fs, std::string(arguments[0]));
  if (!table.ok()) return Fail(table.status());
  // A table from a dump has one record a key.
  const auto it = (*table)->NewIterator();
  std::string line;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const bool tombstone = it->type() == RecordType::kTombstone;
    line = tombstone ? "T " : "V ";
    AppendHex(it->user_key(), &line);
    if (!tombstone) line += ' ';
    AppendHex(it->value(), &line);
    Print(line += '\n');
  }
  return kDone;
}

int Bulk(FileSystem* fs, Arguments arguments) {
  uint64_t count = 0;
  if (!ParseNumber(arguments[1], kMaxBulk, &count)) {
    return Misused("N must be a number from 0 to " + std::to_string(kMaxBulk), kMemtableUsage);
  }
  const std::string path(arguments[0]);
  const auto table = LoadOrNew(fs, path);
  if (!table.ok()) return Fail(table.status());
  MemTable& memtable = **table;
  for (uint64_t i = 0; i < count; ++i) {
    const std::string digits = std::to_string(i);
    memtable.Add(memtable.largest_sequence() + 1, RecordType::kValue, "key" + digits,
                 "val" + digits);
  }
  const Status status = Store(fs, memtable, path);
  return status.ok() ? kDone : Fail(status);
}

int Size(FileSystem* fs, Arguments arguments) {
  const auto table = Load(fs, std::string(arguments[0]));
  if (!table.ok()) return Fail(table.status());
  const MemTableDumpSize size = MeasureMemTableDump(**table);
  Print("entries=" + std::to_string(size.entries) + " size_bytes=" + std::to_string(size.bytes) +
        "\n");
  return kDone;
}

struct Verb {
  std::string_view name;
  size_t arguments;
  int (*run)(FileSystem* fs, Arguments arguments);
};

constexpr Verb kVerbs[] = {
    {"new", 1, New},   {"put", 3, Put},   {"del", 2, Del},   {"get", 2, Get},
    {"iter", 1, Iter}, {"bulk", 2, Bulk}, {"size", 1, Size},
};

}  // namespace

int RunMemtable(FileSystem* fs, Arguments arguments) {
  if (arguments.empty()) return Misused("memtable: what to do is missing", kMemtableUsage);
  const std::string_view name = arguments.front();
  if (name == "--help") {
    Print(kMemtableUsage);
    return kDone;
  }
  arguments = arguments.subspan(1);
  for (const Verb& verb : kVerbs) {
    if (verb.name != name) continue;
    if (verb.arguments == arguments.size()) return verb.run(fs, arguments);
    return Misused("memtable " + std::string(name) + ": wrong number of arguments", kMemtableUsage);
  }
  return Misused("memtable: there is no \"" + std::string(name) + "\"", kMemtableUsage);
}

}  // namespace lsm::tool
