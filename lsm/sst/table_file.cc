// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/sst/table_file.h"

#include <algorithm>
#include <cstring>

#include "lsm/format/checksum.h"
#include "lsm/format/coding.h"

namespace lsm {

Result<std::shared_ptr<const TableFile>> TableFile::Open(FileSystem* fs, const std::string& path,
                                                         uint64_t file_number,
                                                         AccessPattern pattern) {
  Result<std::unique_ptr<RandomAccessFile>> handle = fs->OpenForRead(path, pattern);
  RETURN_IF_ERROR(handle.status());
  std::shared_ptr<TableFile> file(new TableFile(path, file_number, std::move(*handle)));
  RETURN_IF_ERROR(file->ReadFooter());
  RETURN_IF_ERROR(file->ReadDirectory());
  return std::shared_ptr<const TableFile>(std::move(file));
}

Result<std::shared_ptr<const TableFile>> TableFile::OpenNamed(FileSystem* fs,
                                                              const std::string& path,
                                                              uint64_t file_number,
                                                              AccessPattern pattern) {
  Result<std::shared_ptr<const TableFile>> file = Open(fs, path, file_number, pattern);
  if (!file.status().IsNotFound()) return file;
  return Status::Corruption(path + ": offset 0: a version names this file, but there is none");
}

Result<std::shared_ptr<const TableFile>> TableFile::OpenDamaged(FileSystem* fs,
                                                                const std::string& path,
                                                                uint64_t file_number,
                                                                Status* damage) {
  Result<std::unique_ptr<RandomAccessFile>> handle =
      fs->OpenForRead(path, AccessPattern::kSequential);
  RETURN_IF_ERROR(handle.status());
  std::shared_ptr<TableFile> file(new TableFile(path, file_number, std::move(*handle)));
  *damage = file->ReadFooter();
  if (damage->ok()) *damage = file->ReadDirectory();
  if (!damage->ok()) file->slices_.clear();
  return std::shared_ptr<const TableFile>(std::move(file));
}

Status TableFile::ReadFooter() {
  const Result<uint64_t> size = file_->Size();
  RETURN_IF_ERROR(size.status());
  size_ = *size;
  if (size_ < kSstFooterSize) return Corruption("footer", 0, "the file is too short");
  const uint64_t offset = size_ - kSstFooterSize;
  char bytes[kSstFooterSize];
  const Result<size_t> got = file_->ReadAt(offset, sizeof bytes, bytes);
  RETURN_IF_ERROR(got.status());
  if (*got != sizeof bytes) return Corruption("footer", offset, "the file ends early");
  if (const char* why = DecodeSstFooter({bytes, sizeof bytes}, number_, offset, &footer_)) {
    return Corruption("footer", offset, why);
  }
  return Status::Ok();
}

Status TableFile::ReadDirectory() {
  constexpr const char* kWhat = "slice directory";
  if (footer_.slices == 0) return Status::Ok();  // a blob file, whose directory no reader needs
  size_t size;
  const Result<OwnedBytes> bytes = ReadContents(footer_.directory, kWhat, &size);
  RETURN_IF_ERROR(bytes.status());
  const uint64_t offset = footer_.directory.offset;
  if (const char* why =
          DecodeSstDirectory({bytes->data.get(), size}, footer_.slices, offset, &slices_)) {
    return Corruption(kWhat, offset, why);
  }
  return Status::Ok();
}

const SstSlice* TableFile::FindSlice(TreeId tree) const {
  const auto it =
      std::lower_bound(slices_.begin(), slices_.end(), tree,
                       [](const SstSlice& slice, TreeId wanted) { return slice.tree < wanted; });
  return it != slices_.end() && it->tree == tree ? &*it : nullptr;
}

Result<std::string_view> TableFile::ReadStored(BlockHandle handle, const char* what,
                                               BlockSource source, OwnedBytes* own) const {
  if (!handle.Within(size_)) return Corruption(what, handle.offset, "beyond the end of the file");
  if (handle.size > kMaxBlockSize) return Corruption(what, handle.offset, "block too large");
  const size_t wanted = handle.size + kBlockTrailerSize;
  if (source.ahead != nullptr) {
    const Result<std::string_view> view = source.ahead->Read(*file_, handle.offset, wanted, size_);
    if (!view.ok() || view->size() == wanted) return view;
    return Corruption(what, handle.offset, "the file ends early");
  }
  if (source.cached_only && wanted > BlockSource::kLargeBlock) {
    return Status::WouldBlock("a large block");
  }
  *own = OwnedBytes(wanted);
  const Result<size_t> got = source.cached_only
                                 ? file_->ReadCached(handle.offset, wanted, own->data.get())
                                 : file_->ReadAt(handle.offset, wanted, own->data.get());
  RETURN_IF_ERROR(got.status());
  if (*got != wanted) return Corruption(what, handle.offset, "the file ends early");
  return own->view();
}

Result<OwnedBytes> TableFile::ReadContents(BlockHandle handle, const char* what, size_t* size,
                                           uint8_t* compression, BlockSource source) const {
  OwnedBytes stored;
  const Result<std::string_view> read = ReadStored(handle, what, source, &stored);
  RETURN_IF_ERROR(read.status());
  const std::string_view all = *read;
  if (DecodeFixed64(all.data() + handle.size + 1) !=
      Checksum(all.substr(0, handle.size + 1), number_, handle.offset)) {
    return Corruption(what, handle.offset, "checksum mismatch");
  }
  const auto type = static_cast<uint8_t>(all[handle.size]);
  if (compression != nullptr) *compression = type;
  *size = handle.size;
  if (type == static_cast<uint8_t>(Compression::kNone)) {
    if (stored.data != nullptr) return stored;
    OwnedBytes copy(handle.size);
    std::memcpy(copy.data.get(), all.data(), copy.size);
    return copy;
  }
  if (source.cached_only &&
      UncompressedSize(all.substr(0, handle.size)) > BlockSource::kLargeBlock) {
    return Status::WouldBlock("a block that becomes large");
  }
  OwnedBytes contents;
  if (const char* why = DecompressBlock(type, all.substr(0, handle.size), &contents)) {
    return Corruption(what, handle.offset, why);
  }
  *size = contents.size;
  return contents;
}

Result<std::shared_ptr<const Block>> TableFile::ReadBlock(BlockHandle handle, BlockKind kind,
                                                          BlockSource source) const {
  constexpr const char* kNames[] = {"data block", "index block", "value"};
  const char* const what = kNames[static_cast<size_t>(kind)];
  size_t size;
  Result<OwnedBytes> bytes = ReadContents(handle, what, &size, nullptr, source);
  RETURN_IF_ERROR(bytes.status());
  const char* why;
  std::shared_ptr<const Block> block = Block::Parse(std::move(*bytes), size, kind, &why);
  if (block == nullptr) return Corruption(what, handle.offset, why);
  return block;
}

Status TableFile::Corruption(const char* what, uint64_t offset, std::string_view why) const {
  std::string message = path_ + ": " + what + " at offset " + std::to_string(offset) + ": ";
  message.append(why);
  return Status::Corruption(std::move(message));
}

}  // namespace lsm
