// SPDX-License-Identifier: BSD-3-Clause
// ExecPowerCutRun is one seeded life of a server in memory - sessions, dispatcher, engine and
// files, without sockets - whose clients write by MULTI and EXEC, with several deaths.
//
//   1. Sizes, appendfsync and the schedule of background work come from the seed.
//   2. In each tick some clients are fed some bytes of their transactions; each transaction writes
//      over several databases, flushes and swaps them. Syncs, flushes and compactions happen in
//      between.
//   3. The power goes at a random change of the file system - also while the database is opened -
//      and what was not synced survives or not, block by block; or only the process dies.
//   4. The server is started on what is left. Its databases must equal the state after a prefix of
//      the transactions, each whole, one that includes every transaction whose reply had left
//      (under appendfsync always, or if only the process died), and DBSIZE must count what is
//      there.
//   5. The history goes on from that prefix.
//
// The planted bug: clients send the same commands without MULTI and EXEC. A server that committed
// each command of an EXEC by itself would do just that; a harness that does not see it proves
// nothing.
//
// Thread safety: none; runs of different seeds share nothing.

#pragma once

#include <cstdint>
#include <string>

namespace crash {

enum class ExecBug { kNone, kCommandsAlone };

struct ExecPowerCutResult {
  std::string violation;  // empty: none
  uint64_t transactions = 0;
  uint64_t acknowledged = 0;
  uint64_t power_cuts = 0;
  uint64_t kills = 0;
  uint64_t cuts_while_opening = 0;
  uint64_t lost = 0;  // transactions that were executed and did not survive
};

// The same seed and bug give the same result.
ExecPowerCutResult RunExecPowerCuts(uint64_t seed, ExecBug bug, uint64_t least_transactions);

}  // namespace crash
