// SPDX-License-Identifier: BSD-3-Clause
// Transcripts are conversations with a server in plain text; tests/transcripts/README.md describes
// the format. The same files run in-process, over a socket, and against redis-server.
//
// Thread safety: none.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace test_support {

// Whom a transcript talks to.
class TranscriptTarget {
 public:
  virtual ~TranscriptTarget() = default;

  // Sends bytes on a client's connection, which is made if it is new.
  virtual void Send(const std::string& client, std::string_view bytes) = 0;
  // What has come back: one whole reply with what came at the same time, or what there is if the
  // connection ends or nothing more comes.
  virtual std::string Receive(const std::string& client) = 0;
  std::string Exchange(const std::string& client, std::string_view bytes) {
    Send(client, bytes);
    return Receive(client);
  }
  // Ends a client's connection.
  virtual void Disconnect(const std::string& client) = 0;
  virtual void Sleep(int64_t milliseconds) = 0;
  // The server stops and starts again with its data; all connections end.
  virtual void Restart() = 0;
  // Whether lines for this kind of target are meant: "in-process", "varve" or "redis".
  virtual bool Is(std::string_view kind) const = 0;
};

struct TranscriptResult {
  size_t checks = 0;
  std::vector<std::string> failures;  // each with file and line
};

// `name` is for the messages.
TranscriptResult RunTranscript(std::string_view text, const std::string& name,
                               TranscriptTarget* target);

// The commands that a transcript sends: first words in lower case, and "first|second" for each.
std::vector<std::string> CommandsOfTranscript(std::string_view text);

// The whole of a file; ends the process if it cannot be read.
std::string ReadTranscript(const std::string& path);

}  // namespace test_support
