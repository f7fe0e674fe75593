// SPDX-License-Identifier: BSD-3-Clause
// Golden files pin the bytes of a format in hex that a person can read and review:
//
//     # wal_segment: one group of two units
//     56 41 52 56 45 57 41 4c  # magic
//
// Everything from '#' to the end of a line is a comment; spaces and line breaks mean nothing.
//
// To write the files anew after a wanted change of a format, run the tests with
// VARVE_UPDATE_GOLDEN=1 in the environment and review the difference.
//
// Thread safety: none; call from the test's thread.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace support {

// What the next `size` bytes are; only for whoever reads the file.
struct GoldenField {
  size_t size = 0;
  std::string meaning;
};

// Fails the running test unless `bytes` are those of tests/golden/`name`; the failure shows both.
// `fields` comment the file when it is written; bytes that they do not reach follow in rows.
void CheckGolden(const std::string& name, std::string_view bytes,
                 const std::vector<GoldenField>& fields = {});

// The same for a text, whose golden file is the text itself.
void CheckGoldenText(const std::string& name, std::string_view text);

// The bytes that a commented hex text stands for. False if it holds anything else.
bool ParseGolden(std::string_view text, std::string* bytes);

// `bytes` as such a text.
std::string FormatGolden(std::string_view title, std::string_view bytes,
                         const std::vector<GoldenField>& fields);

}  // namespace support
