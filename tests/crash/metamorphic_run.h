// SPDX-License-Identifier: BSD-3-Clause
// Runs a history (metamorphic_history.h) on a database of one configuration.
//
// Thread safety: none; runs are independent of each other.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lsm/options.h"
#include "tests/crash/metamorphic_history.h"

namespace crash {

struct Configuration {
  // Who does the background work: the steps that say so, in an order that the seed decides; every
  // job at once, after each step; or threads.
  enum class Background { kStepped, kAtOnce, kThreads };

  const char* name;
  Background background = Background::kStepped;
  lsm::Options options;
};

std::vector<Configuration> Configurations();

// What went wrong, in words, empty if every answer is the history's.
std::string RunHistory(const std::vector<Step>& history, const Configuration& configuration,
                       uint64_t seed);

}  // namespace crash
