// SPDX-License-Identifier: BSD-3-Clause
// Opening an Instance on a directory of files: the engine's options from the settings.

#include <string>
#include <utility>

#include "redis-compat/engine_listener.h"
#include "redis-compat/instance.h"

namespace redis {

namespace {

// The engine's directory, below `dir`: other files there are none of its business.
constexpr std::string_view kDataDirectory = "varve";

lsm::Options EngineOptions(const Settings& settings, const lsm::Options& seams) {
  lsm::Options options = seams;
  options.memtable_size = static_cast<size_t>(settings.memtable_size);
  options.memtable_limit = settings.memtable_limit;
  options.write_buffer_budget = static_cast<size_t>(settings.write_buffer_budget);
  options.block_cache_size = static_cast<size_t>(settings.block_cache_size);
  options.memory_limit = static_cast<size_t>(settings.maxmemory);
  options.target_file_size = static_cast<size_t>(settings.target_file_size);
  options.compression = settings.compression;
  return options;
}

}  // namespace

std::unique_ptr<Instance> Instance::BeginOpen(Config* config, Host* host,
                                              const lsm::Options& engine) {
  std::unique_ptr<Instance> instance(new Instance(config, host, engine.clock, engine.listener));
  lsm::Options options = EngineOptions(config->settings(), engine);
  options.listener = instance->listener_.get();
  instance->file_system_ = options.file_system;
  const std::string directory = config->settings().dir + "/" + std::string(kDataDirectory);
  instance->set_opener([options, directory] { return lsm::DB::Open(options, directory); });
  instance->Prepare();
  return instance;
}

lsm::Result<std::unique_ptr<Instance>> Instance::Open(Config* config, Host* host,
                                                      const lsm::Options& engine) {
  std::unique_ptr<Instance> instance = BeginOpen(config, host, engine);
  auto db = instance->OpenDatabase();
  if (!db.ok()) return db.status();
  RETURN_IF_ERROR(instance->FinishOpen(std::move(*db)));
  return instance;
}

}  // namespace redis
