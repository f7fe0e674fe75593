// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/transcript.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

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
  return value.ToString();
}

class Runner {
 public:
  Runner(std::string name, TranscriptTarget* target) : name_(std::move(name)), target_(target) {}

  void Line(std::string_view line) {
    ++line_;
    if (line.empty() || line[0] == '#') return;
    if (line[0] == '@') return Directive(line.substr(1));
    if (!is_meant_) return;
    if (line.starts_with(">> ")) return Exchange(Unquoted(line.substr(3)));
    if (line.starts_with("> ")) return Exchange(Request(line.substr(2)));
    if (line.starts_with(">- ")) return target_->Send(client_, Request(line.substr(3)));
    if (line.starts_with("<< ")) {
      const std::string all = reply_ + std::exchange(unread_[client_], {});
      return Check(all == Unquoted(line.substr(3)), line, all);
    }
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
    for (const auto& [client, unread] : unread_) RequireRead(client);
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
    if (words.size() < 2 && verb != "restart" && verb != "receive")
      return Fail("directive without an argument");
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
      unread_.erase(words[1]);
    } else if (verb == "sleep") {
      target_->Sleep(std::atoll(words[1].c_str()));
    } else if (verb == "restart") {
      target_->Restart();
      unread_.clear();
    } else if (verb == "receive") {
      Receive();
    } else if (verb == "id") {
      const std::string reply = target_->Exchange(words[1], "CLIENT ID\r\n");
      if (!reply.starts_with(':')) return Fail("no id");
      ids_["{id:" + words[1] + "}"] = reply.substr(1, reply.find('\r') - 1);
    } else {
      Fail("no such directive");
    }
  }
  std::string Request(std::string_view text) {
    std::vector<std::string> arguments;
    if (!resp::SplitArguments(text, &arguments) || arguments.empty()) Fail("quotes");
    for (std::string& argument : arguments) {
      const auto id = ids_.find(argument);
      if (id != ids_.end()) argument = id->second;
    }
    return EncodeRequest(arguments);
  }
  void Exchange(const std::string& bytes) {
    RequireChecked();
    RequireRead(client_);
    target_->Send(client_, bytes);
    Receive();
  }
  // One reply; what came with it is for the next.
  void Receive() {
    RequireChecked();
    std::string& unread = unread_[client_];
    if (unread.empty()) unread = target_->Receive(client_);
    resp::Value value;
    size_t consumed = 0;
    std::string error;
    const bool is_whole =
        resp::ParseReply(unread, &value, &consumed, &error) == resp::ReplyOutcome::kReply;
    reply_ = unread.substr(0, is_whole ? consumed : unread.size());
    unread.erase(0, reply_.size());
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
  void RequireRead(const std::string& client) {
    std::string& unread = unread_[client];
    if (!unread.empty()) Fail("more came than was asked for: " + std::exchange(unread, {}));
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
  std::map<std::string, std::string> ids_;  // of clients, by how transcripts write them
  std::string reply_;
  std::map<std::string, std::string> unread_;  // by client
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
    const size_t sends = line.starts_with("> ") ? 2 : line.starts_with(">- ") ? 3 : 0;
    if (sends == 0 || !resp::SplitArguments(line.substr(sends), &words) || words.empty()) return;
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
