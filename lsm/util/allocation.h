// SPDX-License-Identifier: BSD-3-Clause
// What the allocator really gave for a request.
// Thread safety: as malloc.

#pragma once

#include <malloc.h>

#include <cstddef>

namespace lsm {

// Bytes of the heap that `pointer`, the begin of an allocation or null, occupies.
inline size_t AllocatedBytes(const void* pointer) {
  // The function asks for a pointer to what may be written and writes nothing.
  return ::malloc_usable_size(const_cast<void*>(pointer));
}

}  // namespace lsm
