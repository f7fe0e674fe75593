// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/golden.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace support {
namespace {

constexpr size_t kBytesPerRow = 16;

std::string GoldenPath(const std::string& name) {
  return std::string(VARVE_SOURCE_DIR) + "/tests/golden/" + name;
}

bool ReadText(const std::string& path, std::string* text) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return false;
  char part[4096];
  for (size_t n; (n = std::fread(part, 1, sizeof part, file)) > 0;) text->append(part, n);
  const bool good = std::ferror(file) == 0;
  return std::fclose(file) == 0 && good;
}

bool WriteText(const std::string& path, const std::string& text) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return false;
  const bool good = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return std::fclose(file) == 0 && good;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::string Hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (!text.empty()) text += ' ';
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

// Rows of at most 16 bytes; the meaning stands behind the first.
void AppendField(std::string* text, std::string_view bytes, std::string_view meaning) {
  for (size_t at = 0; at < bytes.size(); at += kBytesPerRow) {
    *text += Hex(bytes.substr(at, kBytesPerRow));
    if (at == 0 && !meaning.empty()) {
      *text += "  # ";
      *text += meaning;
    }
    *text += '\n';
  }
}

}  // namespace

bool ParseGolden(std::string_view text, std::string* bytes) {
  bytes->clear();
  int high = -1;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '#') {
      i = std::min(text.find('\n', i), text.size());
      if (i == text.size()) break;
    }
    if (text[i] == ' ' || text[i] == '\n') {
      if (high >= 0) return false;
      continue;
    }
    const int digit = HexDigit(text[i]);
    if (digit < 0) return false;
    if (high < 0) {
      high = digit;
    } else {
      *bytes += static_cast<char>(high * 16 + digit);
      high = -1;
    }
  }
  return high < 0;
}

std::string FormatGolden(std::string_view title, std::string_view bytes,
                         const std::vector<GoldenField>& fields) {
  std::string text = "# " + std::string(title) + "\n";
  for (const GoldenField& field : fields) {
    const size_t size = std::min(field.size, bytes.size());
    AppendField(&text, bytes.substr(0, size), field.meaning);
    bytes.remove_prefix(size);
  }
  AppendField(&text, bytes, "");
  return text;
}

void CheckGolden(const std::string& name, std::string_view bytes,
                 const std::vector<GoldenField>& fields) {
  const std::string path = GoldenPath(name);
  if (std::getenv("VARVE_UPDATE_GOLDEN") != nullptr) {
    REQUIRE_MESSAGE(WriteText(path, FormatGolden(name, bytes, fields)), path);
    return;
  }
  std::string text;
  REQUIRE_MESSAGE(ReadText(path, &text), path, " cannot be read; VARVE_UPDATE_GOLDEN=1 writes it");
  std::string expected;
  REQUIRE_MESSAGE(ParseGolden(text, &expected), path, " is not commented hex");
  const auto differs =
      std::mismatch(expected.begin(), expected.end(), bytes.begin(), bytes.end()).first;
  const auto offset = differs - expected.begin();
  CHECK_MESSAGE(expected == bytes, path, " differs at byte ", offset, "\nexpected:\n",
                FormatGolden(name, expected, fields), "now:\n", FormatGolden(name, bytes, fields));
}

void CheckGoldenText(const std::string& name, std::string_view text) {
  const std::string path = GoldenPath(name);
  if (std::getenv("VARVE_UPDATE_GOLDEN") != nullptr) {
    REQUIRE_MESSAGE(WriteText(path, std::string(text)), path);
    return;
  }
  std::string expected;
  REQUIRE_MESSAGE(ReadText(path, &expected), path,
                  " cannot be read; VARVE_UPDATE_GOLDEN=1 writes it");
  CHECK_MESSAGE(expected == text, path, " differs\nexpected:\n", expected, "now:\n", text);
}

}  // namespace support
