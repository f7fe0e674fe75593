// SPDX-License-Identifier: BSD-3-Clause
// System calls that fail, on the real file system. A child process lays a filter on itself that
// makes one system call fail with a chosen error, and tells what the engine's seam made of it.
#include <doctest/doctest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <thread>

#include "lsm/file_system.h"

namespace lsm {
namespace {

class Directory {
 public:
  Directory() {
    path_ = (std::filesystem::temp_directory_path() / "varve-errors-").string();
    path_ += std::string(6, 'X');  // mkdtemp's place for a unique name
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
  }
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  std::string Path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// From now on `number` fails in this process. False if the system has no such filters.
bool MakeFail(long number, int error) {
  const sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (static_cast<uint32_t>(error) & 0xffffu)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter = {static_cast<unsigned short>(std::size(program)),
                             const_cast<sock_filter*>(program)};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// What `work` returns in a child in which the call fails; "(no filters)" if that cannot be done.
std::string WithFailing(long number, int error, const std::function<std::string()>& work) {
  int answer[2];
  REQUIRE(::pipe(answer) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const std::string result = MakeFail(number, error) ? work() : "(no filters)";
    const ssize_t written = ::write(answer[1], result.data(), result.size());
    ::_exit(written == static_cast<ssize_t>(result.size()) ? 0 : 1);
  }
  ::close(answer[1]);
  std::string result(4096, '\0');
  const ssize_t length = ::read(answer[0], result.data(), result.size());
  REQUIRE(length >= 0);
  result.resize(static_cast<size_t>(length));
  ::close(answer[0]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  return result;
}

// Calls `work` with a new file and returns its status in words.
std::string OnFile(const Directory& directory, const std::function<Status(WritableFile*)>& work) {
  auto file = FileSystem::Posix()->Create(directory.Path("f"), true);
  return file.ok() ? work(file->get()).ToString() : file.status().ToString();
}

void ChildMayBeFiltered(const std::string& outcome, const std::string& expected) {
  if (outcome == "(no filters)") {
    MESSAGE("this system does not let a process filter its calls");
    return;
  }
  CHECK(outcome == expected);
}

}  // namespace

TEST_CASE("a file system that cannot reserve space still gives files their length") {
  const Directory directory;
  for (const int error : {EOPNOTSUPP, ENOSYS}) {
    CAPTURE(error);
    const std::string outcome = WithFailing(SYS_fallocate, error, [&directory] {
      return OnFile(directory, [&directory](WritableFile* file) {
        RETURN_IF_ERROR(file->Allocate(5000));
        RETURN_IF_ERROR(file->Allocate(100));
        auto size = FileSystem::Posix()->FileSize(directory.Path("f"));
        return size.ok() && *size == 5000 ? Status() : Status::IoError("wrong length");
      });
    });
    ChildMayBeFiltered(outcome, "OK");
  }
}

TEST_CASE("a reservation that fails for want of space says so, without a fallback") {
  const Directory directory;
  const std::string outcome = WithFailing(SYS_fallocate, ENOSPC, [&directory] {
    auto file = FileSystem::Posix()->Create(directory.Path("f"), true);
    const Status status = (*file)->Allocate(5000);
    const bool untouched = *FileSystem::Posix()->FileSize(directory.Path("f")) == 0;
    return std::string(status.IsNoSpace() && untouched ? "no space" : "wrong");
  });
  ChildMayBeFiltered(outcome, "no space");
}

TEST_CASE("a sync that fails is reported with its file and reason") {
  const Directory directory;
  const std::string outcome = WithFailing(SYS_fdatasync, EIO, [&directory] {
    return OnFile(directory, [](WritableFile* file) { return file->Sync(); });
  });
  ChildMayBeFiltered(outcome,
                     "IO error: fdatasync " + directory.Path("f") + ": Input/output error");
}

TEST_CASE("a directory sync that fails is reported") {
  const Directory directory;
  const std::string outcome = WithFailing(SYS_fsync, EIO, [&directory] {
    return FileSystem::Posix()->SyncDirectory(directory.Path(".")).ToString();
  });
  ChildMayBeFiltered(outcome, "IO error: fsync " + directory.Path(".") + ": Input/output error");
}

TEST_CASE("what close reports is not dropped, but an interrupted close is a close") {
  const Directory directory;
  const auto close = [&directory] {
    return OnFile(directory, [](WritableFile* file) { return file->Close(); });
  };
  ChildMayBeFiltered(WithFailing(SYS_close, EIO, close),
                     "IO error: close " + directory.Path("f") + ": Input/output error");
  ChildMayBeFiltered(WithFailing(SYS_close, EINTR, close), "OK");
}

TEST_CASE("reads and writes that fail name their call, and running out of handles its reason") {
  const Directory directory;
  const auto write = [&directory] {
    return OnFile(directory, [](WritableFile* file) { return file->WriteAt(0, "x"); });
  };
  ChildMayBeFiltered(WithFailing(SYS_pwrite64, EIO, write),
                     "IO error: pwrite " + directory.Path("f") + ": Input/output error");
  ChildMayBeFiltered(WithFailing(SYS_openat, EMFILE, write),
                     "IO error: open " + directory.Path("f") + ": Too many open files");
  REQUIRE(OnFile(directory, [](WritableFile* file) { return file->WriteAt(0, "x"); }) == "OK");
  ChildMayBeFiltered(
      WithFailing(
          SYS_pread64, EIO,
          [&directory] {
            return ReadFile(FileSystem::Posix(), directory.Path("f"), 10).status().ToString();
          }),
      "IO error: pread " + directory.Path("f") + ": Input/output error");
}

TEST_CASE("a call that a signal interrupts is made again") {
  const Directory directory;
  const std::string path = directory.Path("fifo");
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  struct sigaction ignore_it = {};
  ignore_it.sa_handler = [](int) {};  // and no SA_RESTART
  struct sigaction before;
  REQUIRE(::sigaction(SIGUSR1, &ignore_it, &before) == 0);
  const pthread_t opener = ::pthread_self();
  std::jthread disturber([&] {
    // Opening for reading waits for a writer; the signals arrive while it does.
    for (int i = 0; i < 20; ++i) {
      ::pthread_kill(opener, SIGUSR1);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    auto writer = FileSystem::Posix()->OpenForWrite(path);
  });
  const Status opened = FileSystem::Posix()->OpenForRead(path, AccessPattern::kRandom).status();
  disturber.join();
  REQUIRE(::sigaction(SIGUSR1, &before, nullptr) == 0);
  CHECK(opened.ToString() == "OK");
}

}  // namespace lsm
