// SPDX-License-Identifier: BSD-3-Clause
// Style that can be checked is checked here: which room includes which, how long functions and
// files are, that no file lacks its heading, that no work is left marked in the text.

#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr size_t kMaxColumns = 100;
constexpr size_t kMaxFunctionLines = 70;
constexpr size_t kMaxFileLines = 600;
constexpr size_t kMaxTestFileLines = 1000;

struct SourceFile {
  std::string path;  // from the top of the tree
  std::vector<std::string> lines;
};

bool IsSource(const std::filesystem::path& path) {
  return path.extension() == ".cc" || path.extension() == ".h";
}

std::vector<SourceFile> Sources() {
  const std::filesystem::path top = VARVE_SOURCE_DIR;
  std::vector<SourceFile> files;
  for (const char* room : {"resp", "lsm", "redis-compat", "net", "tests"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(top / room)) {
      if (!entry.is_regular_file() || !IsSource(entry.path())) continue;
      SourceFile file{std::filesystem::relative(entry.path(), top).string(), {}};
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) file.lines.push_back(line);
      files.push_back(std::move(file));
    }
  }
  std::sort(files.begin(), files.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

std::string At(const SourceFile& file, size_t line) {
  return file.path + ":" + std::to_string(line + 1);
}

// What the line includes, without quotes or brackets; empty if it includes nothing.
std::string IncludeOf(std::string_view line) {
  constexpr std::string_view kDirective = "#include ";
  if (!line.starts_with(kDirective)) return "";
  line.remove_prefix(kDirective.size());
  const size_t end = line.find_first_of("\">", 1);
  return end == std::string_view::npos ? "" : std::string(line.substr(1, end - 1));
}

std::string FirstFolder(std::string_view path) {
  const size_t slash = path.find('/');
  return slash == std::string_view::npos ? "" : std::string(path.substr(0, slash));
}

// The folders of the engine in the order in which they may include each other.
constexpr std::string_view kEngineOrder[] = {"util",       "format", "io",      "memtable",
                                             "wal",        "sst",    "version", "iter",
                                             "compaction", "db",     "tool"};

// Position in kEngineOrder, or -1 for the public headers at the root of lsm/.
int EngineRank(std::string_view path) {
  path.remove_prefix(std::string_view("lsm/").size());
  const std::string folder = FirstFolder(path);
  const auto* found = std::find(std::begin(kEngineOrder), std::end(kEngineOrder), folder);
  return found == std::end(kEngineOrder) ? -1 : static_cast<int>(found - std::begin(kEngineOrder));
}

bool MayInclude(const std::string& path, const std::string& included) {
  const std::string room = FirstFolder(path);
  const std::string other = FirstFolder(included);
  static const std::set<std::string> kRooms = {"resp", "lsm", "redis-compat", "net", "tests"};
  if (!kRooms.contains(other)) {
    if (other == "" && included == "uv.h") return room == "net" || room == "tests";
    if (other == "hiredis") return room == "tests";
    if (other == "fmt") return room == "redis-compat" || room == "net" || room == "tests";
    return true;
  }
  if (room == "tests") return true;
  if (other == "tests") return false;
  if (room == "resp") return other == "resp";
  if (room == "lsm") {
    return other == "lsm" && (EngineRank(included) <= EngineRank(path) || EngineRank(path) < 0);
  }
  const bool engine_inside = other == "lsm" && EngineRank(included) >= 0;
  if (room == "redis-compat") return other != "net" && !engine_inside;
  return !engine_inside;
}

bool OpensScope(std::string_view line) {
  for (const char* word : {"namespace", "class ", "struct ", "enum ", "union ", "extern ", "#"}) {
    if (line.starts_with(word)) return true;
  }
  return false;
}

// A function's body ends with a brace at the column where its definition began. Looks for
// definitions at column 0 and, for members defined in a class, at column 2.
void CheckFunctionLengths(const SourceFile& file, std::vector<std::string>* faults) {
  for (const size_t indent : {size_t{0}, size_t{2}}) {
    const std::string blank(indent, ' ');
    size_t start = 0;
    for (size_t i = 0; i < file.lines.size(); ++i) {
      const std::string& line = file.lines[i];
      if (!line.starts_with(blank) || line.size() <= indent) continue;
      const std::string_view text = std::string_view(line).substr(indent);
      if (text.front() == ' ' || text.starts_with("//")) continue;
      if (text.front() != '}') {
        start = OpensScope(text) ? file.lines.size() : i;
        continue;
      }
      if (text == "}" && start < i && i - start + 1 > kMaxFunctionLines) {
        faults->push_back(At(file, start) + ": a function of " + std::to_string(i - start + 1) +
                          " lines");
      }
      start = file.lines.size();
    }
  }
}

// Whether `word` stands in the line as a word of its own.
bool HasWord(std::string_view line, std::string_view word) {
  const auto is_letter = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  for (size_t at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || !is_letter(line[at - 1])) && (end == line.size() || !is_letter(line[end]))) {
      return true;
    }
  }
  return false;
}

std::string Join(const std::vector<std::string>& faults) {
  std::string text;
  for (const std::string& fault : faults) text += "\n  " + fault;
  return text;
}

void RequireNone(const std::vector<std::string>& faults) {
  INFO(Join(faults));
  CHECK(faults.empty());
}

}  // namespace

TEST_CASE("the tree has sources") { CHECK(Sources().size() > 50); }

TEST_CASE("rooms include only what the design allows") {
  std::vector<std::string> faults;
  for (const SourceFile& file : Sources()) {
    for (size_t i = 0; i < file.lines.size(); ++i) {
      const std::string included = IncludeOf(file.lines[i]);
      if (!included.empty() && !MayInclude(file.path, included)) {
        faults.push_back(At(file, i) + ": includes " + included);
      }
    }
  }
  RequireNone(faults);
}

TEST_CASE("the include table refuses what it should") {
  CHECK(MayInclude("lsm/wal/log_writer.cc", "lsm/format/coding.h"));
  CHECK(MayInclude("lsm/wal/log_writer.cc", "lsm/db.h"));
  CHECK_FALSE(MayInclude("lsm/wal/log_writer.cc", "lsm/sst/block.h"));
  CHECK_FALSE(MayInclude("lsm/db/open.cc", "redis-compat/session.h"));
  CHECK_FALSE(MayInclude("redis-compat/keyspace.cc", "lsm/db/db_impl.h"));
  CHECK_FALSE(MayInclude("redis-compat/keyspace.cc", "uv.h"));
  CHECK_FALSE(MayInclude("resp/request_parser.cc", "lsm/status.h"));
  CHECK(MayInclude("net/main.cc", "uv.h"));
}

TEST_CASE("functions have at most 70 lines") {
  std::vector<std::string> faults;
  for (const SourceFile& file : Sources()) CheckFunctionLengths(file, &faults);
  RequireNone(faults);
}

TEST_CASE("a function that is too long is seen") {
  SourceFile file{"x.cc", {"int Long() {"}};
  file.lines.insert(file.lines.end(), kMaxFunctionLines, "  Step();");
  file.lines.push_back("}");
  std::vector<std::string> faults;
  CheckFunctionLengths(file, &faults);
  CHECK(faults.size() == 1);
}

TEST_CASE("files have at most 600 lines, tests 1,000") {
  std::vector<std::string> faults;
  for (const SourceFile& file : Sources()) {
    const size_t limit = file.path.starts_with("tests/") ? kMaxTestFileLines : kMaxFileLines;
    if (file.lines.size() > limit) {
      faults.push_back(file.path + ": " + std::to_string(file.lines.size()) + " lines");
    }
  }
  RequireNone(faults);
}

TEST_CASE("lines fit in 100 columns and carry no blanks at their end") {
  std::vector<std::string> faults;
  for (const SourceFile& file : Sources()) {
    for (size_t i = 0; i < file.lines.size(); ++i) {
      const std::string& line = file.lines[i];
      // Bytes are columns but for the continuation bytes of UTF-8.
      const auto columns = std::count_if(line.begin(), line.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
      });
      if (static_cast<size_t>(columns) > kMaxColumns && IncludeOf(line).empty()) {
        faults.push_back(At(file, i) + ": too long");
      }
      if (!line.empty() && (line.back() == ' ' || line.back() == '\t')) {
        faults.push_back(At(file, i) + ": blanks at the end");
      }
    }
  }
  RequireNone(faults);
}

TEST_CASE("files open with their licence, and headers guard themselves") {
  std::vector<std::string> faults;
  for (const SourceFile& file : Sources()) {
    if (file.lines.empty() || file.lines[0] != "// SPDX-License-Identifier: BSD-3-Clause") {
      faults.push_back(file.path + ": no SPDX line");
    }
    if (!file.path.ends_with(".h")) continue;
    if (std::find(file.lines.begin(), file.lines.end(), "#pragma once") == file.lines.end()) {
      faults.push_back(file.path + ": no #pragma once");
    }
    if (file.lines.size() > 1 && !file.lines[1].starts_with("// ")) {
      faults.push_back(file.path + ": does not say what it is for");
    }
  }
  RequireNone(faults);
}

TEST_CASE("no work is left marked in the sources") {
  // Put together here so that this file does not find itself.
  const std::string markers[] = {std::string("TO") + "DO", std::string("FIX") + "ME",
                                 std::string("XX") + "X", std::string("HA") + "CK"};
  std::vector<std::string> faults;
  for (const SourceFile& file : Sources()) {
    for (size_t i = 0; i < file.lines.size(); ++i) {
      for (const std::string& marker : markers) {
        if (HasWord(file.lines[i], marker)) {
          faults.push_back(At(file, i) + ": " + marker);
        }
      }
    }
  }
  RequireNone(faults);
}

TEST_CASE("every room has a README, and the top level holds the rooms and nothing else") {
  const std::filesystem::path top = VARVE_SOURCE_DIR;
  for (const char* room : {"resp", "lsm", "redis-compat", "net", "tests"}) {
    CAPTURE(room);
    CHECK(std::filesystem::exists(top / room / "README.md"));
  }
  static const std::set<std::string> kAllowed = {
      "resp",    "lsm",         "redis-compat",      "net", "tests", "CMakeLists.txt", "README.md",
      "LICENSE", "SECURITY.md", "CMakePresets.json", "dev", "data"};
  for (const auto& entry : std::filesystem::directory_iterator(top)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".") || name.starts_with("build")) continue;
    CAPTURE(name);
    CHECK(kAllowed.contains(name));
  }
}
