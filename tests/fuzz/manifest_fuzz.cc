// SPDX-License-Identifier: BSD-3-Clause
// Any bytes as an edit are refused as corruption, or encode again to an edit that says the same. A
// manifest that holds them as its second edit, with right checksums, is recovered or refused as
// corruption; what is recovered makes a snapshot that applies.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lsm/format/file_header.h"
#include "lsm/format/file_names.h"
#include "lsm/format/manifest_format.h"
#include "lsm/version/manifest.h"
#include "tests/support/mem_file_system.h"

namespace {

constexpr char kDirectory[] = "db";

void Check(bool good) {
  if (!good) std::abort();
}

std::string Encoded(const lsm::VersionEdit& edit) {
  std::string bytes;
  edit.EncodeTo(&bytes);
  return bytes;
}

std::string ManifestWith(std::string_view payload) {
  lsm::ManifestState state;
  lsm::VersionEdit first;
  first.next_file_number = 5;
  first.added_logs = {3};
  first.created_trees = {0, 1};
  first.added_files = {{1, 0, {2, 1, 100, 90, 1, 0, 1, 1, "a", "b", {}}}};
  Check(state.Apply(first).ok());
  std::string bytes = lsm::EncodeFileHeader(lsm::kManifestMagic, 4);
  bytes += lsm::EncodeEdit(Encoded(state.Snapshot()), 4, bytes.size());
  bytes += lsm::EncodeEdit(payload, 4, bytes.size());
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto edit = lsm::VersionEdit::Decode(bytes);
  Check(edit.ok() || edit.status().IsCorruption());
  if (edit.ok()) {
    const auto again = lsm::VersionEdit::Decode(Encoded(*edit));
    Check(again.ok() && again->DebugString() == edit->DebugString());
  }

  lsm::MemFileSystem fs;
  Check(fs.CreateDirectory(kDirectory).ok());
  fs.SetContents(lsm::CurrentFileName(kDirectory), lsm::EncodeCurrent(4));
  fs.SetContents(lsm::ManifestFileName(kDirectory, 4), ManifestWith(bytes));
  const auto recovery = lsm::RecoverManifest(&fs, kDirectory);
  Check(recovery.ok() || recovery.status().IsCorruption());
  Check(!recovery.ok() || edit.ok());
  if (recovery.ok()) {
    lsm::ManifestState state;
    Check(state.Apply(recovery->state.Snapshot()).ok());
    Check(Encoded(state.Snapshot()) == Encoded(recovery->state.Snapshot()));
  }

  // As a whole file, and as CURRENT.
  fs.SetContents(lsm::ManifestFileName(kDirectory, 4), bytes);
  Check(lsm::RecoverManifest(&fs, kDirectory).status().ok() == false);
  fs.SetContents(lsm::CurrentFileName(kDirectory), bytes);
  const auto current = lsm::RecoverManifest(&fs, kDirectory);
  Check(!current.ok() && current.status().IsCorruption());
  return 0;
}
