// SPDX-License-Identifier: BSD-3-Clause
// Names for clang's thread safety analysis (-Wthread-safety); nothing for other compilers.

#pragma once

#if defined(__clang__)
#define VARVE_ATTRIBUTE(x) __attribute__((x))
#else
#define VARVE_ATTRIBUTE(x)
#endif

#define CAPABILITY(x) VARVE_ATTRIBUTE(capability(x))
#define SCOPED_CAPABILITY VARVE_ATTRIBUTE(scoped_lockable)
#define GUARDED_BY(x) VARVE_ATTRIBUTE(guarded_by(x))
#define PT_GUARDED_BY(x) VARVE_ATTRIBUTE(pt_guarded_by(x))
#define REQUIRES_LOCK(...) VARVE_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define EXCLUDES_LOCK(...) VARVE_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define ACQUIRES_LOCK(...) VARVE_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define TRY_ACQUIRES_LOCK(...) VARVE_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define RELEASES_LOCK(...) VARVE_ATTRIBUTE(release_capability(__VA_ARGS__))
#define ASSERTS_LOCK(...) VARVE_ATTRIBUTE(assert_capability(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS VARVE_ATTRIBUTE(no_thread_safety_analysis)
