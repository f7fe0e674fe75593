// SPDX-License-Identifier: BSD-3-Clause
// Supervisor tells the service manager that started the process how it is: systemd by datagrams to
// NOTIFY_SOCKET (sd_notify(3)), upstart by a SIGSTOP when the server is ready.
//
// Thread safety: safe for concurrent use after construction.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "redis-compat/config.h"
#include "redis-compat/log.h"

namespace net {

class Supervisor {
 public:
  // As the `supervised` directive says; `auto` looks for what each of them leaves in the
  // environment. What was asked for and is not there is logged.
  Supervisor(redis::Supervision wanted, redis::Logger* logger);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Whether somebody waits for the process: it must not go to the background.
  bool present() const { return is_upstart_ || socket_ >= 0; }

  // The data are being read; a start may take longer than the manager's patience, which begins anew
  // with each of these.
  void Loading(std::string_view status);
  // Clients are served.
  void Ready();
  void Stopping();

 private:
  void OpenSocket(const std::string& path);
  void Send(std::string_view message) const;

  redis::Logger* const logger_;
  bool is_upstart_ = false;
  int socket_ = -1;
};

}  // namespace net
