// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/memtable/memtable_dump.h"

#include <utility>

#include "lsm/format/coding.h"
#include "lsm/util/check.h"

namespace lsm {
namespace {

constexpr std::string_view kMagic = "MMT1";
constexpr size_t kHeaderSize = 8;
constexpr size_t kEntryHeaderSize = 9;
constexpr size_t kPiece = size_t{1} << 20;  // bytes gathered before a write

// Calls visit(key, type, value) for the newest record of each key until it returns an error.
template <typename Visit>
Status VisitNewest(const MemTable& table, Visit visit) {
  const auto it = table.NewIterator();
  const char* last = nullptr;  // a key lies at one place in the arena, so its address names it
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::string_view key = it->user_key();
    if (key.data() == last) continue;
    last = key.data();
    RETURN_IF_ERROR(visit(key, it->type(), it->value()));
  }
  return it->status();
}

Status CheckSize(const MemTableDumpSize& size) {
  if (size.bytes <= kMaxMemTableDump) return Status::Ok();
  return Status::InvalidArgument("a dump of " + std::to_string(size.bytes) +
                                 " bytes is above the limit of " +
                                 std::to_string(kMaxMemTableDump));
}

void AppendHeader(uint64_t entries, std::string* out) {
  out->append(kMagic);
  PutFixed32(out, static_cast<uint32_t>(entries));
}

void AppendEntryHeader(std::string_view key, RecordType type, std::string_view value,
                       std::string* out) {
  PutFixed32(out, static_cast<uint32_t>(key.size()));
  PutFixed32(out, static_cast<uint32_t>(value.size()));
  out->push_back(static_cast<char>(type));
}

// Takes a dump apart. Every length is checked against what is left before it is used.
class Loader {
 public:
  explicit Loader(std::string_view bytes) : bytes_(bytes) {}

  Result<std::unique_ptr<MemTable>> Load() {
    uint32_t count = 0;
    RETURN_IF_ERROR(ReadHeader(&count));
    auto table = std::make_unique<MemTable>();
    for (entry_ = 0; entry_ < count; ++entry_) {
      RETURN_IF_ERROR(ReadEntry(table.get()));
    }
    if (offset_ != bytes_.size()) {
      return Status::Corruption("offset " + std::to_string(offset_) + ": " +
                                std::to_string(bytes_.size() - offset_) +
                                " bytes after the last entry");
    }
    return table;
  }

 private:
  Status ReadHeader(uint32_t* count) {
    if (bytes_.size() > kMaxMemTableDump) {
      return Status::InvalidArgument("a dump of " + std::to_string(bytes_.size()) +
                                     " bytes is above the limit of " +
                                     std::to_string(kMaxMemTableDump));
    }
    if (bytes_.substr(0, kMagic.size()) != kMagic.substr(0, bytes_.size())) {
      return Status::Corruption("offset 0: bad magic, this is no memtable dump");
    }
    if (bytes_.size() < kHeaderSize) {
      return Status::Corruption("offset " + std::to_string(bytes_.size()) +
                                ": cut within the header");
    }
    *count = DecodeFixed32(bytes_.data() + kMagic.size());
    offset_ = kHeaderSize;
    return Status::Ok();
  }

  Status ReadEntry(MemTable* table) {
    if (Left() < kEntryHeaderSize) {
      return Bad(bytes_.size(), "the file ends, cut before the entry's key");
    }
    const uint32_t key_size = DecodeFixed32(bytes_.data() + offset_);
    const uint32_t value_size = DecodeFixed32(bytes_.data() + offset_ + 4);
    const auto type = static_cast<uint8_t>(bytes_[offset_ + 8]);
    if (type > static_cast<uint8_t>(RecordType::kTombstone)) {
      return Bad(offset_ + 8, "unknown type " + std::to_string(type));
    }
    if (type == static_cast<uint8_t>(RecordType::kTombstone) && value_size != 0) {
      return Bad(offset_ + 4,
                 "a tombstone with a value of " + std::to_string(value_size) + " bytes");
    }
    if (key_size > kMaxKeySize) {
      return Bad(offset_, "a key of " + std::to_string(key_size) + " bytes, above the limit of " +
                              std::to_string(kMaxKeySize));
    }
    const size_t left = Left() - kEntryHeaderSize;
    if (key_size > left) {
      return Bad(offset_, "a key of " + std::to_string(key_size) + " bytes, but only " +
                              std::to_string(left) + " are left in the file");
    }
    if (value_size > left - key_size) {
      return Bad(offset_ + 4, "a value of " + std::to_string(value_size) + " bytes, but only " +
                                  std::to_string(left - key_size) + " are left in the file");
    }
    const std::string_view key = bytes_.substr(offset_ + kEntryHeaderSize, key_size);
    if (entry_ > 0 && key <= last_key_) {
      return Bad(offset_ + kEntryHeaderSize,
                 key == last_key_ ? "the same key as the entry before"
                                  : "keys out of order: smaller than the entry before");
    }
    table->Add(entry_ + 1, static_cast<RecordType>(type), key,
               bytes_.substr(offset_ + kEntryHeaderSize + key_size, value_size));
    last_key_ = key;
    offset_ += kEntryHeaderSize + key_size + value_size;
    return Status::Ok();
  }

  size_t Left() const { return bytes_.size() - offset_; }

  Status Bad(size_t offset, const std::string& what) const {
    return Status::Corruption("offset " + std::to_string(offset) + ", entry " +
                              std::to_string(entry_) + ": " + what);
  }

  const std::string_view bytes_;
  size_t offset_ = 0;
  uint64_t entry_ = 0;
  std::string_view last_key_;
};

}  // namespace

MemTableDumpSize MeasureMemTableDump(const MemTable& table) {
  MemTableDumpSize size{.entries = 0, .bytes = kHeaderSize};
  const Status status =
      VisitNewest(table, [&](std::string_view key, RecordType, std::string_view value) {
        ++size.entries;
        size.bytes += kEntryHeaderSize + key.size() + value.size();
        return Status::Ok();
      });
  VARVE_CHECK(status.ok());  // walking memory cannot fail
  return size;
}

Status DumpMemTable(const MemTable& table, std::string* out) {
  const MemTableDumpSize size = MeasureMemTableDump(table);
  RETURN_IF_ERROR(CheckSize(size));
  out->clear();
  out->reserve(size.bytes);
  AppendHeader(size.entries, out);
  return VisitNewest(table, [&](std::string_view key, RecordType type, std::string_view value) {
    AppendEntryHeader(key, type, value, out);
    out->append(key).append(value);
    return Status::Ok();
  });
}

Status DumpMemTable(const MemTable& table, WritableFile* file) {
  const MemTableDumpSize size = MeasureMemTableDump(table);
  RETURN_IF_ERROR(CheckSize(size));
  std::string piece;
  uint64_t offset = 0;
  const auto write = [&](std::string_view bytes) {
    RETURN_IF_ERROR(file->WriteAt(offset, bytes));
    offset += bytes.size();
    return Status::Ok();
  };
  const auto append = [&](std::string_view bytes) {
    if (piece.size() + bytes.size() > kPiece) {
      RETURN_IF_ERROR(write(piece));
      piece.clear();
    }
    if (bytes.size() > kPiece) return write(bytes);
    piece.append(bytes);
    return Status::Ok();
  };
  AppendHeader(size.entries, &piece);
  const auto append_entry = [&](std::string_view key, RecordType type, std::string_view value) {
    AppendEntryHeader(key, type, value, &piece);
    RETURN_IF_ERROR(append(key));
    return append(value);
  };
  RETURN_IF_ERROR(VisitNewest(table, append_entry));
  return write(piece);
}

Result<std::unique_ptr<MemTable>> LoadMemTableDump(std::string_view bytes) {
  return Loader(bytes).Load();
}

}  // namespace lsm
