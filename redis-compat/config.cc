// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/config.h"

#include <fmt/format.h>
#include <glob.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <set>

#include "redis-compat/command_line.h"
#include "redis-compat/command_names.h"
#include "redis-compat/config_parse.h"
#include "redis-compat/config_rewrite.h"
#include "redis-compat/config_table.h"
#include "redis-compat/glob.h"
#include "redis-compat/letters.h"
#include "redis-compat/version.h"
#include "resp/request_parser.h"

namespace redis {
namespace {

constexpr int kMaxIncludeDepth = 16;
constexpr size_t kMaxConfigBytes = size_t{16} << 20;

// What redis.conf can say beside directives. Doing as if it had not been said would leave a server
// open that its owner thinks closed.
std::string_view RefusalOf(std::string_view name) {
  for (const std::string_view known : {"user", "loadmodule"}) {
    if (name == known) return "This directive is not supported by this version of Varve";
  }
  return "Bad directive or wrong number of arguments";
}

std::string Lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return "";
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// The line as errors show it: they end up in logs. The new name of a command may be a secret too.
std::string_view WithoutSecrets(std::string_view line) {
  constexpr std::string_view kSecrets[] = {"requirepass",       "masterauth",
                                           "masteruser",        "user",
                                           "tls-key-file-pass", "tls-client-key-file-pass",
                                           "rename-command"};
  // The name may be quoted.
  const size_t first = line.find_first_not_of("\"'");
  if (first == std::string_view::npos) return line;
  const std::string_view rest = line.substr(first);
  const std::string_view name = rest.substr(0, rest.find_first_of(" \t\"'"));
  const bool is_secret = std::any_of(std::begin(kSecrets), std::end(kSecrets),
                                     [&](auto secret) { return EqualsIgnoringCase(name, secret); });
  return is_secret ? name : line;
}

lsm::Status AtLine(int number, std::string_view line, std::string_view what) {
  return lsm::Status::InvalidArgument(
      fmt::format("\n*** FATAL CONFIG FILE ERROR (Varve {}) ***\n"
                  "Reading the configuration file, at line {}\n>>> '{}'\n{}\n",
                  kVarveVersion, number, WithoutSecrets(line), what));
}

lsm::Status CannotOpen(const std::string& path, int error) {
  return lsm::Status::InvalidArgument(
      fmt::format("Fatal error, can't open config file '{}': {}", path, strerror(error)));
}

lsm::Status ReadStream(FILE* stream, const std::string& path, std::string* text) {
  char buffer[4096];
  size_t count = 0;
  while ((count = fread(buffer, 1, sizeof(buffer), stream)) > 0) {
    text->append(buffer, count);
    if (text->size() > kMaxConfigBytes) {
      return lsm::Status::InvalidArgument(fmt::format(
          "Fatal error, the config file '{}' is larger than {} bytes", path, kMaxConfigBytes));
    }
  }
  return ferror(stream) ? CannotOpen(path, errno) : lsm::Status::Ok();
}

lsm::Status ReadFile(const std::string& path, std::string* text) {
  const std::unique_ptr<FILE, int (*)(FILE*)> stream(fopen(path.c_str(), "re"), &fclose);
  if (stream == nullptr) return CannotOpen(path, errno);
  return ReadStream(stream.get(), path, text);
}

std::string Absolute(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.lexically_normal().string();
}

}  // namespace

// Values stand in the order of the table's rows.
struct Config::Rep {
  Settings settings;
  std::vector<ConfigValue> values;
  std::vector<bool> loaded;  // named by what was loaded
  std::vector<std::string> warnings;
  std::string file;
  CommandNames command_names;
  ChangeHook hook;

  // What Set does can be undone by copying this back.
  struct State {
    Settings settings;
    std::vector<ConfigValue> values;
  };

  static size_t RowOf(const Directive& directive) {
    return static_cast<size_t>(&directive - Directives().data());
  }
  const ConfigValue& ValueOf(const Directive& directive) const { return values[RowOf(directive)]; }

  lsm::Status Assign(const Directive& directive, const std::vector<std::string>& words) {
    ConfigValue& value = values[RowOf(directive)];
    RETURN_IF_ERROR(ParseDirective(directive, words, value, &value));
    if (directive.apply != nullptr) directive.apply(&settings, value);
    return {};
  }

  void WarnIfWithoutEffect(const Directive& directive) {
    if (directive.apply != nullptr) return;
    warnings.push_back(fmt::format("The directive '{}' has no effect in Varve", directive.name));
  }

  lsm::Status LoadDirective(const std::vector<std::string>& words);
  lsm::Status LoadLines(std::string_view text, int depth);
  lsm::Status LoadIncluded(const std::string& pattern, int depth);
  bool MayChange(const Directive& directive, bool client_is_local) const;
  lsm::Result<std::vector<DirectiveValue>> Differences(std::string_view text) const;
};

Config::Config() : rep_(std::make_unique<Rep>()), settings_(&rep_->settings) {
  rep_->values.resize(Directives().size());
  rep_->loaded.resize(Directives().size());
  for (const Directive& directive : Directives()) {
    const bool is_list = (directive.flags & Directive::kList) && !directive.initial.empty();
    const std::vector<std::string> words =
        is_list ? SplitWords(directive.initial)
                : std::vector<std::string>{std::string(directive.initial)};
    // Only "dir" can fail: a process may be started where it may not be.
    if (!rep_->Assign(directive, words).ok()) {
      rep_->values[Rep::RowOf(directive)].text = directive.initial;
    }
  }
}

Config::~Config() = default;

const std::vector<std::string>& Config::warnings() const { return rep_->warnings; }
void Config::ClearWarnings() { rep_->warnings.clear(); }
const CommandNames& Config::command_names() const { return rep_->command_names; }
const std::string& Config::file() const { return rep_->file; }
void Config::set_change_hook(ChangeHook hook) { rep_->hook = std::move(hook); }
void Config::set_active_expire(bool on) { rep_->settings.active_expire = on; }

// Several lines may add to one `save`; the first of them replaces the default.
lsm::Status Config::Rep::LoadDirective(const std::vector<std::string>& words) {
  if (words[0] == "rename-command" && words.size() == 3) {
    return command_names.Rename(words[1], words[2]);
  }
  const Directive* const directive = FindDirective(words[0]);
  if (directive == nullptr) return lsm::Status::InvalidArgument(std::string(RefusalOf(words[0])));
  std::vector<std::string> arguments(words.begin() + 1, words.end());
  const bool is_list = directive->flags & Directive::kList;
  if (is_list && arguments.size() == 1 && !arguments[0].empty()) {
    arguments = SplitWords(arguments[0]);
  }
  const size_t row = RowOf(*directive);
  if (directive->name == "save" && loaded[row] && arguments.size() > 1) {
    std::vector<std::string> all = SplitWords(values[row].text);
    all.insert(all.end(), arguments.begin(), arguments.end());
    arguments = std::move(all);
  }
  RETURN_IF_ERROR(Assign(*directive, arguments));
  if (!loaded[row]) WarnIfWithoutEffect(*directive);
  loaded[row] = true;
  return {};
}

// The files that the pattern names, in order. A pattern without wildcards must name a file; one
// with wildcards may match nothing.
lsm::Status Config::Rep::LoadIncluded(const std::string& pattern, int depth) {
  std::vector<std::string> paths;
  if (pattern.find_first_of("*?[") == std::string::npos) {
    paths.push_back(pattern);
  } else {
    glob_t matches = {};
    if (glob(pattern.c_str(), 0, nullptr, &matches) == 0) {
      paths.assign(matches.gl_pathv, matches.gl_pathv + matches.gl_pathc);
    }
    globfree(&matches);
  }
  for (const std::string& path : paths) {
    std::string text;
    RETURN_IF_ERROR(ReadFile(path, &text));
    RETURN_IF_ERROR(LoadLines(text, depth));
  }
  return {};
}

lsm::Status Config::Rep::LoadLines(std::string_view text, int depth) {
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line[0] == '#') continue;

    std::vector<std::string> words;
    if (!resp::SplitArguments(line, &words)) {
      return AtLine(number, line, "Unbalanced quotes in configuration line");
    }
    if (words.empty()) continue;
    words[0] = Lower(std::move(words[0]));
    if (words[0] == "include" && words.size() == 2) {
      if (depth == kMaxIncludeDepth) return AtLine(number, line, "Too many levels of include");
      RETURN_IF_ERROR(LoadIncluded(words[1], depth + 1));
      continue;
    }
    const lsm::Status status = LoadDirective(words);
    if (!status.ok()) return AtLine(number, line, status.message());
  }
  return {};
}

lsm::Status Config::LoadText(std::string_view text) { return rep_->LoadLines(text, 0); }

lsm::Status Config::Load(const std::vector<std::string>& arguments) {
  // File, standard input and command line are read as one text, in this order, so that later lines
  // win and errors count lines through.
  const CommandLine line = ParseCommandLine(arguments);
  std::string text;
  if (!line.file.empty()) {
    rep_->file = Absolute(line.file);
    RETURN_IF_ERROR(ReadFile(rep_->file, &text));
  }
  if (line.reads_stdin) RETURN_IF_ERROR(ReadStream(stdin, "-", &text));
  if (!line.directives.empty()) text += '\n' + line.directives;
  return LoadText(text);
}

std::string_view Config::Value(std::string_view name) const {
  const Directive* const directive = FindDirective(name);
  assert(directive != nullptr);
  return rep_->ValueOf(*directive).text;
}

std::vector<std::pair<std::string, std::string>> Config::Get(std::string_view pattern) const {
  return Get(std::vector<std::string_view>{pattern});
}

std::vector<std::pair<std::string, std::string>> Config::Get(
    const std::vector<std::string_view>& patterns) const {
  std::vector<std::pair<std::string, std::string>> found;
  std::set<std::string> known;
  const auto add = [&](std::string name, const Directive& directive) {
    if (!known.insert(Lower(name)).second) return;
    found.emplace_back(std::move(name), rep_->ValueOf(directive).text);
  };
  for (const std::string_view pattern : patterns) {
    if (pattern.find_first_of("[*?") == std::string_view::npos) {
      // Answered under the name as it was asked for.
      const Directive* const directive = FindDirective(pattern);
      if (directive != nullptr) add(std::string(pattern), *directive);
      continue;
    }
    for (const Directive& directive : Directives()) {
      if (directive.flags & Directive::kHidden) continue;
      for (const std::string_view name : {directive.name, directive.alias}) {
        if (!name.empty() && GlobMatch(pattern, name, GlobCase::kIgnore)) {
          add(std::string(name), directive);
        }
      }
    }
  }
  return found;
}

bool Config::Rep::MayChange(const Directive& directive, bool client_is_local) const {
  if (!(directive.flags & Directive::kGuarded)) return true;
  switch (settings.enable_protected_configs) {
    case ProtectedAccess::kNo:
      return false;
    case ProtectedAccess::kYes:
      return true;
    case ProtectedAccess::kLocal:
      return client_is_local;
  }
  return false;
}

// Where loading `text` gives other values than those of now.
lsm::Result<std::vector<DirectiveValue>> Config::Rep::Differences(std::string_view text) const {
  Config other;
  RETURN_IF_ERROR(other.LoadText(text));
  std::vector<DirectiveValue> differences;
  for (const Directive& directive : Directives()) {
    const std::string& value = ValueOf(directive).text;
    if (other.rep_->ValueOf(directive).text != value) differences.push_back({&directive, value});
  }
  return differences;
}

lsm::Status Config::Rewrite() const {
  // 1. What differs is changed in place.
  // 2. What still differs was not named, or is said again by a file that is included later: it is
  //    said at the end.
  // 3. The text replaces the file only once loading it gives the values of now.
  assert(!rep_->file.empty());
  std::string text;
  if (access(rep_->file.c_str(), F_OK) == 0) RETURN_IF_ERROR(ReadFile(rep_->file, &text));
  auto differences = rep_->Differences(text);
  if (!differences.ok()) return differences.status();
  if (differences->empty()) return {};
  text = ReplaceDirectives(text, *differences);
  differences = rep_->Differences(text);
  if (!differences.ok()) return differences.status();
  text = AppendDirectives(text, *differences);
  differences = rep_->Differences(text);
  if (!differences.ok()) return differences.status();
  if (!differences->empty()) {
    return lsm::Status::InvalidArgument(
        fmt::format("no line gives '{}' its value", differences->front().directive->name));
  }
  return ReplaceFile(rep_->file, text);
}

lsm::Status Config::Set(const std::vector<std::pair<std::string, std::string>>& values,
                        bool client_is_local) {
  // 1. Look everything up; the first name that may not be set ends it.
  // 2. Assign in order, on top of a copy to go back to.
  // 3. Let the rest of the server follow, or go back.
  const auto failed = [](std::string_view name, std::string_view why) {
    return lsm::Status::InvalidArgument(
        fmt::format("CONFIG SET failed (possibly related to argument '{}') - {}", name, why));
  };
  struct Change {
    const Directive* directive;
    std::string name;
    const std::string* text;
  };
  std::vector<Change> changes;
  for (const auto& [name, text] : values) {
    const Directive* const directive = FindDirective(name);
    if (directive == nullptr) {
      return lsm::Status::InvalidArgument(
          fmt::format("Unknown option or number of arguments for CONFIG SET - '{}'", name));
    }
    Change change{directive, Lower(name), &text};
    if (directive->flags & Directive::kImmutable) {
      return failed(change.name, "can't set immutable config");
    }
    if (!rep_->MayChange(*directive, client_is_local)) {
      return failed(change.name, "can't set protected config");
    }
    for (const Change& other : changes) {
      if (other.name == change.name) return failed(change.name, "duplicate parameter");
    }
    changes.push_back(std::move(change));
  }

  const Rep::State before{rep_->settings, rep_->values};
  const size_t warnings_before = rep_->warnings.size();
  lsm::Status status;
  std::string_view name = changes.empty() ? "" : std::string_view(changes[0].name);
  for (const Change& change : changes) {
    const bool is_list = (change.directive->flags & Directive::kList) && !change.text->empty();
    name = change.name;
    status = rep_->Assign(*change.directive, is_list ? SplitWords(*change.text)
                                                     : std::vector<std::string>{*change.text});
    if (!status.ok()) break;
    rep_->WarnIfWithoutEffect(*change.directive);
  }
  if (status.ok() && rep_->hook) {
    status = rep_->hook(before.settings, rep_->settings);
    name = changes[0].name;
  }
  if (status.ok()) return {};
  rep_->settings = before.settings;
  rep_->values = before.values;
  rep_->warnings.resize(warnings_before);
  return failed(name, status.message());
}

}  // namespace redis
