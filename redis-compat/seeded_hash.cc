// SPDX-License-Identifier: BSD-3-Clause
#include "redis-compat/seeded_hash.h"

#include <sys/random.h>

#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace redis {
namespace {

struct State {
  uint64_t a, b, c, d;

  void Round() {
    a += b;
    b = std::rotl(b, 13) ^ a;
    a = std::rotl(a, 32);
    c += d;
    d = std::rotl(d, 16) ^ c;
    a += d;
    d = std::rotl(d, 21) ^ a;
    c += b;
    b = std::rotl(b, 17) ^ c;
    c = std::rotl(c, 32);
  }
  void Take(uint64_t word) {
    d ^= word;
    Round();
    a ^= word;
  }
};

HashKey RandomKey() {
  HashKey key;
  // As long as this is short it comes whole, or not at all.
  if (getrandom(key.data(), sizeof(key), 0) != static_cast<ssize_t>(sizeof(key))) {
    std::fprintf(stderr, "the system gives no random bytes\n");
    std::abort();
  }
  return key;
}

}  // namespace

uint64_t SipHash(const HashKey& key, std::string_view bytes) {
  State state{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
              key[1] ^ 0x7465646279746573};
  const uint64_t length = bytes.size();
  uint64_t word = 0;
  for (; bytes.size() >= sizeof(word); bytes.remove_prefix(sizeof(word))) {
    std::memcpy(&word, bytes.data(), sizeof(word));
    state.Take(word);
  }
  word = 0;
  if (!bytes.empty()) std::memcpy(&word, bytes.data(), bytes.size());
  state.Take(word | length << 56);
  state.c ^= 0xff;
  for (int i = 0; i < 3; ++i) state.Round();
  return state.a ^ state.b ^ state.c ^ state.d;
}

size_t SeededHash::operator()(std::string_view bytes) const {
  static const HashKey kKey = RandomKey();
  return static_cast<size_t>(SipHash(kKey, bytes));
}

}  // namespace redis
