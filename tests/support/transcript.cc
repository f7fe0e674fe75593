// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/transcript.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>

#include "redis-compat/glob.h"
#include "resp/reply_parser.h"
#include "resp/request_parser.h"

namespace test_support {

namespace {

constexpr std::string_view kKinds[] = {"in-process", "varve", "redis"};

// "{x*1000}" is a thousand x.
std::string Expand(const std::string& argument) {
  const size_t star = argument.rfind('*');
  if (argument.size() < 5 || argument.front() != '{' || argument.back() != '}' ||
      star == std::string::npos) {
    return argument;
  }
  size_t count = 0;
  const char* end = argument.data() + argument.size() - 1;
  const auto [stop, error] = std::from_chars(argument.data() + star + 1, end, count);
  if (error != std::errc() || stop != end) return argument;
  std::string expanded;
  for (size_t i = 0; i < count; ++i) expanded.append(argument, 1, star - 1);
  return expanded;
}

std::string EncodeRequest(const std::vector<std::string>& arguments) {
  std::string request = "*" + std::to_string(arguments.size()) + "\r\n";
  for (const std::string& raw : arguments) {
    const std::string argument = Expand(raw);
    request += "$" + std::to_string(argument.size()) + "\r\n" + argument + "\r\n";
  }
  return request;
}

std::string Printed(std::string_view reply, bool sorted) {
  if (reply.empty()) return "(closed)";
  resp::Value value;
  size_t consumed = 0;
  std::string error;
  if (resp::ParseReply(reply, &value, &consumed, &error) != resp::ReplyOutcome::kReply) {
    return "(not a reply) " + std::string(reply);
  }
  if (sorted) {
    std::sort(value.elements.begin(), value.elements.end(),
              [](const auto& a, const auto& b) { return a.ToString() < b.ToString(); });
  }
  std::string printed = value.ToString();
  if (consumed < reply.size()) printed += " (and more)";
  return printed;
}

class Runner {
 public:
  Runner(std::string name, TranscriptTarget* target) : name_(std::move(name)), target_(target) {}

  void Line(std::string_view line) {
    ++line_;
    if (line.empty() || line[0] == '#') return;
    if (line[0] == '@') return Directive(line.substr(1));
    if (!is_meant_) return;
    if (line.starts_with(">> ")) return Send(Unquoted(line.substr(3)));
    if (line.starts_with("> ")) return SendCommand(line.substr(2));
    if (line.starts_with("<< ")) return Check(reply_ == Unquoted(line.substr(3)), line, reply_);
    if (line.starts_with("< ")) return CheckEqual(line.substr(2), Printed(reply_, false));
    if (line.starts_with("<~ ")) return CheckEqual(line.substr(3), Printed(reply_, true));
    if (line.starts_with("<* ")) {
      const std::string printed = Printed(reply_, false);
      return Check(redis::GlobMatch(line.substr(3), printed), line, printed);
    }
    Fail("is not a line of a transcript");
  }
  TranscriptResult Finish() {
    RequireChecked();
    return std::move(result_);
  }

 private:
  void Directive(std::string_view text) {
    std::vector<std::string> words;
    if (!resp::SplitArguments(text, &words) || words.empty()) return Fail("directive");
    const std::string& verb = words[0];
    if (verb == "all") {
      is_meant_ = true;
      return;
    }
    if (words.size() < 2 && verb != "restart") return Fail("directive without an argument");
    if (verb == "only") {
      if (std::find(std::begin(kKinds), std::end(kKinds), words[1]) == std::end(kKinds)) {
        return Fail("no such kind of target");
      }
      is_meant_ = target_->Is(words[1]);
      return;
    }
    if (!is_meant_) return;
    RequireChecked();
    if (verb == "client") {
      client_ = words[1];
    } else if (verb == "disconnect") {
      target_->Disconnect(words[1]);
    } else if (verb == "sleep") {
      target_->Sleep(std::atoll(words[1].c_str()));
    } else if (verb == "restart") {
      target_->Restart();
    } else {
      Fail("no such directive");
    }
  }
  void SendCommand(std::string_view text) {
    std::vector<std::string> arguments;
    if (!resp::SplitArguments(text, &arguments) || arguments.empty()) return Fail("quotes");
    Send(EncodeRequest(arguments));
  }
  void Send(const std::string& bytes) {
    RequireChecked();
    reply_ = target_->Exchange(client_, bytes);
    is_checked_ = false;
  }
  std::string Unquoted(std::string_view text) {
    std::vector<std::string> words;
    if (resp::SplitArguments(text, &words) && words.size() == 1) return words[0];
    Fail("quotes");
    return {};
  }
  void CheckEqual(std::string_view expected, const std::string& actual) {
    Check(expected == actual, expected, actual);
  }
  void Check(bool holds, std::string_view expected, const std::string& actual) {
    is_checked_ = true;
    ++result_.checks;
    if (!holds) Fail("expected " + std::string(expected) + "\n    but got  " + actual);
  }
  void RequireChecked() {
    if (!is_checked_) Fail("the reply before this line is not checked");
    is_checked_ = true;
  }
  void Fail(const std::string& what) {
    result_.failures.push_back(name_ + ":" + std::to_string(line_) + ": " + what);
  }

  const std::string name_;
  TranscriptTarget* const target_;
  size_t line_ = 0;
  bool is_meant_ = true;
  bool is_checked_ = true;
  std::string client_ = "1";
  std::string reply_;
  TranscriptResult result_;
};

template <typename Use>
void ForEachLine(std::string_view text, Use use) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    use(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace

TranscriptResult RunTranscript(std::string_view text, const std::string& name,
                               TranscriptTarget* target) {
  Runner runner(name, target);
  ForEachLine(text, [&](std::string_view line) { runner.Line(line); });
  return runner.Finish();
}

std::vector<std::string> CommandsOfTranscript(std::string_view text) {
  std::vector<std::string> commands;
  ForEachLine(text, [&](std::string_view line) {
    std::vector<std::string> words;
    if (!line.starts_with("> ") || !resp::SplitArguments(line.substr(2), &words)) return;
    if (words.empty()) return;
    for (std::string& word : words) {
      for (char& c : word) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    commands.push_back(words[0]);
    if (words.size() > 1) commands.push_back(words[0] + "|" + words[1]);
  });
  return commands;
}

std::string ReadTranscript(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "cannot read %s\n", path.c_str());
    std::exit(2);
  }
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace test_support
