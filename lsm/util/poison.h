// SPDX-License-Identifier: BSD-3-Clause
// Tells the address sanitizer, where there is one, which memory must not be touched for a while.

#pragma once

#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VARVE_ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define VARVE_ADDRESS_SANITIZER
#endif

#ifdef VARVE_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace lsm {

#ifdef VARVE_ADDRESS_SANITIZER
inline constexpr bool kPoisonsMemory = true;
#else
inline constexpr bool kPoisonsMemory = false;
#endif

inline void PoisonMemory([[maybe_unused]] const void* memory, [[maybe_unused]] size_t bytes) {
#ifdef VARVE_ADDRESS_SANITIZER
  __asan_poison_memory_region(memory, bytes);
#endif
}

inline void UnpoisonMemory([[maybe_unused]] const void* memory, [[maybe_unused]] size_t bytes) {
#ifdef VARVE_ADDRESS_SANITIZER
  __asan_unpoison_memory_region(memory, bytes);
#endif
}

}  // namespace lsm
