// SPDX-License-Identifier: BSD-3-Clause
// The names in a database's directory.
//
//     CURRENT          which manifest is in force
//     LOCK             held while the database is open
//     MANIFEST-000007  version edits
//     000012.sst       sorted records
//     000003.wal       a log segment
//     000013.blob      big values
//     *.tmp            being written; removed by the next open

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lsm {

// No file has a higher number: whoever counts on from one that was read does not come back to 0.
inline constexpr uint64_t kMaxFileNumber = (uint64_t{1} << 63) - 1;

enum class FileKind { kCurrent, kLock, kManifest, kSst, kWal, kBlob, kTemporary, kForeign };

std::string CurrentFileName(const std::string& directory);
std::string LockFileName(const std::string& directory);
std::string ManifestFileName(const std::string& directory, uint64_t number);
std::string SstFileName(const std::string& directory, uint64_t number);
std::string WalFileName(const std::string& directory, uint64_t number);
std::string BlobFileName(const std::string& directory, uint64_t number);
// REQUIRES: kSst or kBlob
std::string DataFileName(const std::string& directory, FileKind kind, uint64_t number);

// What a name without its directory is; `number` is set for manifests and for SST, log and
// blob files.
FileKind ParseFileName(std::string_view name, uint64_t* number);

}  // namespace lsm
