// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/version/manifest.h"

#include <optional>

#include "lsm/format/file_header.h"
#include "lsm/format/file_names.h"
#include "lsm/format/manifest_format.h"
#include "lsm/io/file_window.h"

namespace lsm {
namespace {

// "MANIFEST-000007: offset 32: "
std::string At(uint64_t manifest, uint64_t offset) {
  return ManifestFileName("", manifest).substr(1) + ": offset " + std::to_string(offset) + ": ";
}

// Reads the edits of one manifest, one after the other.
class EditReader {
 public:
  static Result<EditReader> Open(FileSystem* fs, const std::string& path) {
    Result<FileWindow> window = FileWindow::Open(fs, path);
    if (!window.ok()) return window.status();
    return EditReader(std::move(*window));
  }

  // The number in the file's header; corruption lacks the file's name.
  Result<uint64_t> ReadHeader() {
    const Result<std::string_view> bytes = window_.Read(0, kFileHeaderSize);
    if (!bytes.ok()) return bytes.status();
    Result<uint64_t> number = DecodeFileHeader(kManifestMagic, *bytes);
    if (number.ok()) number_ = *number;
    return number;
  }

  // The next edit's payload, or nothing and the `problem` why there is none. An error is one of
  // reading.
  Result<std::optional<std::string_view>> Next(std::string* problem) {
    offset_ = next_;
    const Result<std::string_view> bytes = window_.Read(offset_, kEditHeaderSize);
    if (!bytes.ok()) return bytes.status();
    EditHeader header;
    if (bytes->size() < kEditHeaderSize) {
      *problem =
          bytes->empty() ? "the file ends here" : "there is an edit that the file's end cuts";
      return std::optional<std::string_view>();
    }
    if (!DecodeEditHeader(*bytes, number_, offset_, &header)) {
      *problem = "there is no edit";
      return std::optional<std::string_view>();
    }
    const uint64_t padded_size = EditPaddedSize(header.payload_size);
    const Result<std::string_view> padded = window_.Read(offset_ + kEditHeaderSize, padded_size);
    if (!padded.ok()) return padded.status();
    if (!EditPayloadMatches(header, number_, offset_, *padded)) {
      *problem = "there is an edit whose checksum is wrong";
      return std::optional<std::string_view>();
    }
    next_ = offset_ + kEditHeaderSize + padded_size;
    return std::optional<std::string_view>(padded->substr(0, header.payload_size));
  }

  // The first offset behind the invalid edit at offset() at which the header of another one
  // stands.
  Result<std::optional<uint64_t>> FindBehind() {
    for (uint64_t at = offset_ + kEditAlignment; at + kEditHeaderSize <= size();
         at += kEditAlignment) {
      const Result<std::string_view> bytes = window_.Read(at, kEditHeaderSize);
      if (!bytes.ok()) return bytes.status();
      EditHeader header;
      if (bytes->size() == kEditHeaderSize && DecodeEditHeader(*bytes, number_, at, &header)) {
        return std::optional<uint64_t>(at);
      }
    }
    return std::optional<uint64_t>();
  }

  // Of the edit that Next returned last, or of the place where there is none.
  uint64_t offset() const { return offset_; }
  uint64_t size() const { return window_.size(); }

 private:
  explicit EditReader(FileWindow window) : window_(std::move(window)) {}

  FileWindow window_;
  uint64_t number_ = 0;
  uint64_t offset_ = 0;
  uint64_t next_ = kFileHeaderSize;
};

// Which manifest CURRENT names.
Result<uint64_t> ReadCurrent(FileSystem* fs, const std::string& directory) {
  const Result<std::string> contents = ReadFile(fs, CurrentFileName(directory), kMaxCurrentSize);
  if (contents.status().IsInvalidArgument()) {
    return Status::Corruption("CURRENT: offset 0: larger than the name of a manifest");
  }
  if (!contents.ok()) return contents.status();
  const Result<uint64_t> number = DecodeCurrent(*contents);
  if (!number.ok()) {
    return Status::Corruption("CURRENT: offset 0: " + std::string(number.status().message()));
  }
  return number;
}

Status CheckHeader(EditReader* reader, uint64_t number) {
  const Result<uint64_t> found = reader->ReadHeader();
  if (found.ok()) {
    return *found == number
               ? Status::Ok()
               : Status::Corruption(At(number, 0) + "the file header is that of manifest " +
                                    std::to_string(*found));
  }
  const std::string text = At(number, 0) + std::string(found.status().message());
  if (found.status().IsCorruption()) return Status::Corruption(text);
  if (found.status().IsInvalidArgument()) return Status::InvalidArgument(text);
  return found.status();
}

// Tells a crash's tail from corruption at the place where the reader stopped.
Status JudgeEnd(EditReader* reader, const std::string& problem, ManifestRecovery* recovery) {
  const std::string place = At(recovery->number, reader->offset()) + problem;
  if (reader->offset() == kFileHeaderSize) {
    return Status::Corruption(place + ", where the whole state should be");
  }
  const Result<std::optional<uint64_t>> behind = reader->FindBehind();
  if (!behind.ok()) return behind.status();
  if (behind->has_value()) {
    return Status::Corruption(place + ", but another was written behind it, at offset " +
                              std::to_string(**behind));
  }
  recovery->tail_cut = reader->offset() < reader->size();
  if (recovery->tail_cut) recovery->tail_description = place;
  return Status::Ok();
}

// CURRENT under a temporary name, synced.
Status WriteTemporaryCurrent(FileSystem* fs, const std::string& path, uint64_t number) {
  const Result<std::unique_ptr<WritableFile>> file = fs->Create(path, /*truncate=*/true);
  if (!file.ok()) return file.status();
  RETURN_IF_ERROR((*file)->WriteAt(0, EncodeCurrent(number)));
  RETURN_IF_ERROR((*file)->Sync());
  return (*file)->Close();
}

}  // namespace

Result<ManifestRecovery> RecoverManifest(FileSystem* fs, const std::string& directory) {
  const Result<uint64_t> number = ReadCurrent(fs, directory);
  if (!number.ok()) return number.status();
  Result<ManifestRecovery> recovery = ReadManifest(fs, directory, *number);
  if (!recovery.status().IsNotFound()) return recovery;
  return Status::Corruption(At(*number, 0) + "CURRENT names this file, but there is none");
}

Result<ManifestRecovery> ReadManifest(FileSystem* fs, const std::string& directory,
                                      uint64_t number) {
  ManifestRecovery recovery;
  recovery.number = number;
  Result<EditReader> reader = EditReader::Open(fs, ManifestFileName(directory, number));
  if (!reader.ok()) return reader.status();
  RETURN_IF_ERROR(CheckHeader(&*reader, number));
  for (std::string problem;;) {
    const Result<std::optional<std::string_view>> payload = reader->Next(&problem);
    if (!payload.ok()) return payload.status();
    if (!payload->has_value()) {
      RETURN_IF_ERROR(JudgeEnd(&*reader, problem, &recovery));
      return recovery;
    }
    const Result<VersionEdit> edit = VersionEdit::Decode(**payload);
    const Status applied = edit.ok() ? recovery.state.Apply(*edit) : edit.status();
    if (!applied.ok()) {
      return Status::Corruption(At(number, reader->offset()) + std::string(applied.message()));
    }
  }
}

Result<ManifestDumpEnd> DumpManifest(
    FileSystem* fs, const std::string& path,
    const std::function<void(uint64_t offset, const VersionEdit& edit)>& edit) {
  Result<EditReader> reader = EditReader::Open(fs, path);
  if (!reader.ok()) return reader.status();
  const Result<uint64_t> number = reader->ReadHeader();
  if (number.status().IsCorruption() || number.status().IsInvalidArgument()) {
    return ManifestDumpEnd{0, std::string(number.status().message())};
  }
  if (!number.ok()) return number.status();
  for (ManifestDumpEnd end;;) {
    const Result<std::optional<std::string_view>> payload = reader->Next(&end.reason);
    if (!payload.ok()) return payload.status();
    end.offset = reader->offset();
    if (!payload->has_value()) return end;
    const Result<VersionEdit> decoded = VersionEdit::Decode(**payload);
    if (!decoded.ok()) {
      return ManifestDumpEnd{end.offset, std::string(decoded.status().message())};
    }
    edit(end.offset, *decoded);
  }
}

Result<std::unique_ptr<ManifestWriter>> ManifestWriter::Create(FileSystem* fs,
                                                               const std::string& directory,
                                                               uint64_t number,
                                                               const ManifestState& state) {
  const std::string path = ManifestFileName(directory, number);
  const std::string current = CurrentFileName(directory);
  const std::string temporary = current + ".tmp";
  std::unique_ptr<ManifestWriter> writer(new ManifestWriter);
  Status written = writer->Begin(fs, path, number, state);
  if (written.ok()) written = fs->SyncDirectory(directory);
  if (written.ok()) written = WriteTemporaryCurrent(fs, temporary, number);
  if (!written.ok()) {
    const Status removed = fs->Remove(path);
    static_cast<void>(removed.ok());  // what stays behind is an orphan
    return written;
  }
  RETURN_IF_ERROR(fs->Rename(temporary, current));
  RETURN_IF_ERROR(fs->SyncDirectory(directory));
  return writer;
}

Status ManifestWriter::Begin(FileSystem* fs, const std::string& path, uint64_t number,
                             const ManifestState& state) {
  Result<std::unique_ptr<WritableFile>> file = fs->Create(path, /*truncate=*/true);
  RETURN_IF_ERROR(file.status());
  const std::string header = EncodeFileHeader(kManifestMagic, number);
  RETURN_IF_ERROR((*file)->WriteAt(0, header));
  file_ = std::move(*file);
  number_ = number;
  offset_ = header.size();
  return Append(state.Snapshot());
}

Status ManifestWriter::Append(const VersionEdit& edit) {
  if (failed_) {
    return Status::IoError(At(number_, offset_) + "an earlier edit could not be written");
  }
  std::string payload;
  edit.EncodeTo(&payload);
  const std::string bytes = EncodeEdit(payload, number_, offset_);
  failed_ = true;
  RETURN_IF_ERROR(file_->WriteAt(offset_, bytes));
  RETURN_IF_ERROR(file_->Sync());
  failed_ = false;
  offset_ += bytes.size();
  return Status::Ok();
}

}  // namespace lsm
