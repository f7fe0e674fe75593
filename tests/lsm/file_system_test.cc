// SPDX-License-Identifier: BSD-3-Clause
// The contract of lsm/file_system.h, held by the real file system and by the one in memory, and
// what only the real one has: modes, other processes.
#include "lsm/file_system.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "lsm/io/posix_file.h"
#include "lsm/random.h"
#include "tests/support/mem_file_system.h"

namespace lsm {
namespace {

// An empty directory on a file system of the given kind, removed at the end.
class Place {
 public:
  explicit Place(bool real) : real_(real) {
    if (!real_) {
      path_ = "/db";
      REQUIRE(mem_.CreateDirectory(path_).ok());
      return;
    }
    std::string pattern = (std::filesystem::temp_directory_path() / "varve-fs-").string();
    pattern += std::string(6, 'X');  // mkdtemp's place for a unique name
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Place() {
    std::error_code ignored;
    if (real_) std::filesystem::remove_all(path_, ignored);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  FileSystem* fs() { return real_ ? FileSystem::Posix() : &mem_; }
  std::string Path(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }
  bool real() const { return real_; }

  std::unique_ptr<WritableFile> Create(const std::string& name, std::string_view content = {}) {
    auto file = fs()->Create(Path(name), false);
    REQUIRE(file.ok());
    REQUIRE((*file)->WriteAt(0, content).ok());
    return std::move(file).value();
  }
  std::string Read(const std::string& name) {
    auto content = ReadFile(fs(), Path(name), 1 << 20);
    REQUIRE(content.ok());
    return *content;
  }
  std::vector<std::string> List() {
    auto names = fs()->List(path_);
    REQUIRE(names.ok());
    std::sort(names->begin(), names->end());
    return *names;
  }

 private:
  const bool real_;
  MemFileSystem mem_;
  std::string path_;
};

bool Mentions(const Status& status, std::string_view text) {
  return status.message().find(text) != std::string_view::npos;
}

// Each of the test cases below runs once on each file system.
#define ON_BOTH_FILE_SYSTEMS(place)      \
  bool real = false;                     \
  SUBCASE("in memory") { real = false; } \
  SUBCASE("real") { real = true; }       \
  Place place(real)

}  // namespace

TEST_CASE("what is written at an offset is read back from there, also by handles opened before") {
  ON_BOTH_FILE_SYSTEMS(place);
  auto file = place.Create("a");
  auto reader = place.fs()->OpenForRead(place.Path("a"), AccessPattern::kRandom);
  REQUIRE(reader.ok());
  REQUIRE(file->WriteAt(0, "0123456789").ok());
  REQUIRE(file->WriteAt(4, "xy").ok());
  char scratch[16];
  auto got = (*reader)->ReadAt(3, 4, scratch);
  REQUIRE(got.ok());
  CHECK(std::string_view(scratch, *got) == "3xy6");
  got = (*reader)->ReadAt(8, 16, scratch);
  REQUIRE(got.ok());
  CHECK(std::string_view(scratch, *got) == "89");
  got = (*reader)->ReadAt(10, 1, scratch);
  REQUIRE(got.ok());
  CHECK(*got == 0);
  got = (*reader)->ReadAt(1'000'000, 1, scratch);
  REQUIRE(got.ok());
  CHECK(*got == 0);
  CHECK((*reader)->Size().value() == 10);
  CHECK(file->Close().ok());
}

TEST_CASE("advice about how a file is read and written changes nothing that is read") {
  ON_BOTH_FILE_SYSTEMS(place);
  std::string expected;
  Random random(7);
  while (expected.size() < 300'000) expected.push_back(static_cast<char>(random.Next32()));
  auto file = place.Create("a");
  file->WriteThrough(PageCache::kDrop);
  REQUIRE(file->WriteAt(0, std::string_view(expected).substr(0, 100'001)).ok());
  REQUIRE(file->Sync().ok());
  REQUIRE(file->WriteAt(100'001, std::string_view(expected).substr(100'001)).ok());
  for (const AccessPattern pattern : {AccessPattern::kSequential, AccessPattern::kRandom}) {
    CAPTURE(static_cast<int>(pattern));
    auto reader = place.fs()->OpenForRead(place.Path("a"), pattern);
    REQUIRE(reader.ok());
    std::string content(expected.size() + 1, '\0');
    size_t done = 0;
    for (size_t piece = 1; done < expected.size(); piece = piece * 3 % 70'001) {
      const auto got =
          (*reader)->ReadAt(done, std::min(piece, content.size() - done), content.data() + done);
      REQUIRE(got.ok());
      REQUIRE(*got > 0);
      done += *got;
    }
    CHECK(content.substr(0, done) == expected);
  }
  REQUIRE(file->Close().ok());
}

TEST_CASE("writing behind the end leaves zeros in between") {
  ON_BOTH_FILE_SYSTEMS(place);
  auto file = place.Create("a", "ab");
  REQUIRE(file->WriteAt(10'000, "z").ok());
  std::string expected(10'001, '\0');
  expected[0] = 'a';
  expected[1] = 'b';
  expected[10'000] = 'z';
  CHECK(place.Read("a") == expected);
}

TEST_CASE("allocating makes a file at least as long, with zeros, and never shorter") {
  ON_BOTH_FILE_SYSTEMS(place);
  auto file = place.Create("a", "ab");
  REQUIRE(file->Allocate(5000).ok());
  CHECK(place.Read("a") == "ab" + std::string(4998, '\0'));
  REQUIRE(file->Allocate(100).ok());
  CHECK(place.fs()->FileSize(place.Path("a")).value() == 5000);
  REQUIRE(file->Allocate(0).ok());
  CHECK(place.fs()->FileSize(place.Path("a")).value() == 5000);
}

TEST_CASE("reserved space is written, synced, cut and written again like any other") {
  constexpr uint64_t kReserved = 3 * 4096;
  for (const bool real : {false, true}) {
    CAPTURE(real);
    Place place(real);
    const std::string path = place.path() + "/f";
    auto file = place.fs()->Create(path, false);
    REQUIRE(file.ok());
    REQUIRE((*file)->Allocate(kReserved).ok());
    const auto reader = place.fs()->OpenForRead(path, AccessPattern::kRandom);
    REQUIRE(reader.ok());
    std::string expected(kReserved, '\0');
    const auto write = [&](uint64_t offset, const std::string& bytes) {
      REQUIRE((*file)->WriteAt(offset, bytes).ok());
      expected.resize(std::max<size_t>(expected.size(), offset + bytes.size()));
      expected.replace(offset, bytes.size(), bytes);
      std::string found(expected.size(), 'x');
      const auto got = (*reader)->ReadAt(0, found.size(), found.data());
      REQUIRE(got.ok());
      CHECK(*got == expected.size());
      CHECK(found == expected);
    };
    write(0, "at the beginning");
    write(4090, "over the border of two pages");
    write(kReserved - 3, "end");
    REQUIRE((*file)->Sync().ok());
    write(kReserved - 1, "partly behind what is reserved");
    write(kReserved + 100, "behind it");
    REQUIRE((*file)->Truncate(4096).ok());
    expected.resize(4096);
    write(4000, std::string(200, 'a'));
    REQUIRE((*file)->Allocate(kReserved).ok());
    expected.resize(kReserved);
    write(8000, std::string(1000, 'b'));
    REQUIRE((*file)->Sync().ok());
    REQUIRE((*file)->Close().ok());
  }
}

TEST_CASE("space is only written through memory where nothing was written before") {
  Place place(/*real=*/true);
  const auto mapped = [&](const std::string& name) {
    std::ifstream maps("/proc/self/maps");
    std::stringstream text;
    text << maps.rdbuf();
    return text.str().find(place.Path(name)) != std::string::npos;
  };
  constexpr size_t kReserved = 16 * 4096;
  const auto fresh = place.Create("fresh");
  REQUIRE(fresh->Allocate(kReserved).ok());
  if (!mapped("fresh")) {
    MESSAGE("this file system does not keep what it has reserved");
    return;
  }
  const std::string old(kReserved, 'x');
  const auto kept = place.Create("kept", old);
  REQUIRE(kept->Allocate(2 * kReserved).ok());
  CHECK_FALSE(mapped("kept"));
  CHECK(place.Read("kept") == old + std::string(kReserved, '\0'));
  const auto anew = place.Create("anew", old);
  REQUIRE(anew->Sync().ok());
  REQUIRE(anew->AllocateAnew(kReserved).ok());
  // Unwritten, it reads as zeros; where it cannot be made so, it must not be mapped.
  CHECK(place.Read("anew") == (mapped("anew") ? std::string(kReserved, '\0') : old));
  REQUIRE(anew->WriteAt(5000, "new").ok());
  REQUIRE(anew->Sync().ok());
  CHECK(place.Read("anew").substr(5000, 3) == "new");
}

TEST_CASE("a file that was cut and grows again has zeros where its old bytes were") {
  ON_BOTH_FILE_SYSTEMS(place);
  auto file = place.Create("a", std::string(9000, 'x'));
  REQUIRE(file->Truncate(4097).ok());
  REQUIRE(file->Truncate(9000).ok());
  CHECK(place.Read("a") == std::string(4097, 'x') + std::string(4903, '\0'));
  REQUIRE(file->Sync().ok());
}

TEST_CASE("creating an existing file fails and keeps it, unless it may be truncated") {
  ON_BOTH_FILE_SYSTEMS(place);
  place.Create("a", "old");
  auto refused = place.fs()->Create(place.Path("a"), false);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.status().IsIoError());
  CHECK(Mentions(refused.status(), "File exists"));
  CHECK(place.Read("a") == "old");
  auto file = place.fs()->Create(place.Path("a"), true);
  REQUIRE(file.ok());
  CHECK(place.Read("a").empty());
  auto kept = place.fs()->OpenForWrite(place.Path("a"));
  REQUIRE(kept.ok());
  REQUIRE((*kept)->WriteAt(0, "new").ok());
  auto again = place.fs()->OpenForWrite(place.Path("a"));
  REQUIRE(again.ok());
  CHECK(place.Read("a") == "new");
}

TEST_CASE("what does not exist is reported as not found, with call, path and reason") {
  ON_BOTH_FILE_SYSTEMS(place);
  FileSystem* fs = place.fs();
  const std::string absent = place.Path("absent");
  const std::string deep = place.Path("no-directory/file");
  const std::vector<Status> errors = {fs->OpenForRead(absent, AccessPattern::kRandom).status(),
                                      fs->OpenForWrite(absent).status(),
                                      fs->Create(deep, false).status(),
                                      fs->Remove(absent),
                                      fs->Rename(absent, place.Path("b")),
                                      fs->Link(absent, place.Path("b")),
                                      fs->FileSize(absent).status(),
                                      fs->RemoveDirectory(absent),
                                      fs->List(absent).status(),
                                      fs->SyncDirectory(absent),
                                      fs->FreeSpace(absent).status(),
                                      fs->Lock(deep).status(),
                                      fs->CreateDirectory(place.Path("no-directory/x"))};
  for (const Status& error : errors) {
    CAPTURE(error.ToString());
    CHECK(error.IsNotFound());
    CHECK((Mentions(error, "absent") || Mentions(error, "no-directory")));
    CHECK(Mentions(error, "No such file or directory"));
  }
  CHECK(fs->OpenForRead(absent, AccessPattern::kRandom).status().message().starts_with("open "));
  CHECK(fs->Exists(absent).value() == false);
  CHECK(place.List().empty());
}

TEST_CASE("renaming replaces the target whole, and open handles keep their file") {
  ON_BOTH_FILE_SYSTEMS(place);
  FileSystem* fs = place.fs();
  auto file = place.Create("new", "new content");
  place.Create("old", "old");
  auto reader = fs->OpenForRead(place.Path("old"), AccessPattern::kRandom);
  REQUIRE(reader.ok());
  REQUIRE(fs->Rename(place.Path("new"), place.Path("old")).ok());
  CHECK(place.List() == std::vector<std::string>{"old"});
  CHECK(place.Read("old") == "new content");
  REQUIRE(file->WriteAt(0, "NEW").ok());
  CHECK(place.Read("old") == "NEW content");
  char scratch[16];
  CHECK(std::string_view(scratch, (*reader)->ReadAt(0, 16, scratch).value()) == "old");
}

TEST_CASE("a link is a second name of one file and outlives the first") {
  ON_BOTH_FILE_SYSTEMS(place);
  FileSystem* fs = place.fs();
  auto file = place.Create("a", "one");
  REQUIRE(fs->Link(place.Path("a"), place.Path("b")).ok());
  const Status again = fs->Link(place.Path("a"), place.Path("b"));
  CHECK(again.IsIoError());
  CHECK(Mentions(again, "File exists"));
  REQUIRE(file->WriteAt(0, "two").ok());
  CHECK(place.Read("b") == "two");
  // Renaming one name of a file to another does nothing.
  REQUIRE(fs->Rename(place.Path("a"), place.Path("b")).ok());
  CHECK(place.List() == std::vector<std::string>{"a", "b"});
  REQUIRE(fs->Remove(place.Path("a")).ok());
  CHECK(place.Read("b") == "two");
}

TEST_CASE("a removed file is read on through its handle") {
  ON_BOTH_FILE_SYSTEMS(place);
  place.Create("a", "still here");
  auto reader = place.fs()->OpenForRead(place.Path("a"), AccessPattern::kRandom);
  REQUIRE(reader.ok());
  REQUIRE(place.fs()->Remove(place.Path("a")).ok());
  CHECK(place.fs()->Exists(place.Path("a")).value() == false);
  char scratch[16];
  CHECK(std::string_view(scratch, (*reader)->ReadAt(0, 16, scratch).value()) == "still here");
}

TEST_CASE("directories are made once, listed, and removed only when empty") {
  ON_BOTH_FILE_SYSTEMS(place);
  FileSystem* fs = place.fs();
  const std::string sub = place.Path("sub");
  REQUIRE(fs->CreateDirectory(sub).ok());
  REQUIRE(fs->CreateDirectory(sub).ok());
  place.Create("file");
  const Status occupied = fs->CreateDirectory(place.Path("file"));
  CHECK(occupied.IsIoError());
  CHECK(Mentions(occupied, "File exists"));
  auto inner = fs->Create(sub + "/inner", false);
  REQUIRE(inner.ok());
  CHECK(place.List() == std::vector<std::string>{"file", "sub"});
  CHECK(fs->List(sub).value() == std::vector<std::string>{"inner"});
  CHECK(Mentions(fs->RemoveDirectory(sub), "not empty"));
  CHECK_FALSE(fs->Remove(sub).ok());
  CHECK_FALSE(fs->RemoveDirectory(place.Path("file")).ok());
  REQUIRE(fs->Remove(sub + "/inner").ok());
  REQUIRE(fs->SyncDirectory(sub).ok());
  REQUIRE(fs->RemoveDirectory(sub).ok());
  REQUIRE(fs->SyncDirectory(place.path()).ok());
  CHECK(place.List() == std::vector<std::string>{"file"});
  CHECK_FALSE(fs->SyncDirectory(place.Path("file")).ok());
}

TEST_CASE("reading a whole file gives its bytes, and refuses one that is larger than allowed") {
  ON_BOTH_FILE_SYSTEMS(place);
  const std::string content("nul \0 inside", 12);
  place.Create("a", content);
  CHECK(ReadFile(place.fs(), place.Path("a"), 12).value() == content);
  const Status refused = ReadFile(place.fs(), place.Path("a"), 11).status();
  CHECK(refused.IsInvalidArgument());
  CHECK(Mentions(refused, place.real() ? place.Path("a") : "db/a"));
  place.Create("empty");
  CHECK(ReadFile(place.fs(), place.Path("empty"), 0).value().empty());
}

TEST_CASE("lengths that no file can have are refused, not wrapped around") {
  ON_BOTH_FILE_SYSTEMS(place);
  auto file = place.Create("a", "abc");
  const uint64_t most = ~uint64_t{0};
  CHECK(file->WriteAt(most, "x").IsIoError());
  CHECK(file->WriteAt(most - 1, "xyz").IsIoError());
  CHECK(file->Truncate(most).IsIoError());
  CHECK(file->Allocate(most).IsIoError());
  CHECK(place.Read("a") == "abc");
}

TEST_CASE("a lock is held by one holder at a time, also when its path is spelt differently") {
  ON_BOTH_FILE_SYSTEMS(place);
  FileSystem* fs = place.fs();
  auto lock = fs->Lock(place.Path("LOCK"));
  REQUIRE(lock.ok());
  CHECK(place.List() == std::vector<std::string>{"LOCK"});
  const Status second = fs->Lock(place.Path("./LOCK")).status();
  CHECK(second.IsBusy());
  CHECK(Mentions(second, "LOCK"));
  CHECK(fs->Lock(place.Path("OTHER")).ok());
  lock.value().reset();
  CHECK(fs->Lock(place.Path("LOCK")).ok());
}

TEST_CASE("free space is known, and a sync may run beside a write") {
  ON_BOTH_FILE_SYSTEMS(place);
  CHECK(place.fs()->FreeSpace(place.path()).value() > 0);
  auto file = place.Create("a");
  bool synced = true;
  std::thread syncer([&] {
    for (int i = 0; i < 50; ++i) synced = file->Sync().ok() && synced;
  });
  bool written = true;
  for (uint64_t i = 0; i < 500; ++i) written = file->WriteAt(i * 100, "bytes").ok() && written;
  syncer.join();
  CHECK(synced);
  CHECK(written);
}

TEST_CASE("real files and directories belong to their owner alone") {
  Place place(true);
  const mode_t before = ::umask(0);
  place.Create("file");
  REQUIRE(place.fs()->CreateDirectory(place.Path("dir")).ok());
  auto lock = place.fs()->Lock(place.Path("LOCK"));
  ::umask(before);
  struct stat info;
  REQUIRE(::stat(place.Path("file").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);
  REQUIRE(::stat(place.Path("LOCK").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0600);
  REQUIRE(::stat(place.Path("dir").c_str(), &info) == 0);
  CHECK((info.st_mode & 07777) == 0700);
}

TEST_CASE("no descriptor of a real file reaches a program that is started") {
  Place place(true);
  auto file = place.Create("a");
  auto reader = place.fs()->OpenForRead(place.Path("a"), AccessPattern::kRandom);
  auto lock = place.fs()->Lock(place.Path("LOCK"));
  int ours = 0;
  for (int descriptor = 0; descriptor < 1024; ++descriptor) {
    char target[4096];
    const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
    const ssize_t length = ::readlink(link.c_str(), target, sizeof target);
    if (length < 0) continue;
    if (!std::string_view(target, static_cast<size_t>(length)).starts_with(place.path())) continue;
    ++ours;
    CHECK((::fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0);
  }
  CHECK(ours == 3);
}

TEST_CASE("a lock held by one process is refused to another, and free when its holder has died") {
  Place place(true);
  const std::string path = place.Path("LOCK");
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto mine = FileSystem::Posix()->Lock(path);
    const char answer = mine.ok() ? 'y' : 'n';
    (void)!::write(ready[1], &answer, 1);
    ::pause();
    ::_exit(0);
  }
  char answer = '?';
  REQUIRE(::read(ready[0], &answer, 1) == 1);
  CHECK(answer == 'y');
  const Status refused = place.fs()->Lock(path).status();
  CHECK(refused.IsBusy());
  CHECK(Mentions(refused, "another process"));
  ::kill(child, SIGKILL);
  int wait_status;
  REQUIRE(::waitpid(child, &wait_status, 0) == child);
  CHECK(place.fs()->Lock(path).ok());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_CASE("errors of the system get the kind that callers tell apart, and its words") {
  CHECK(PosixError("pwrite", "/x/y", ENOSPC).IsNoSpace());
  CHECK(PosixError("pwrite", "/x/y", EDQUOT).IsNoSpace());
  CHECK(PosixError("open", "/x/y", ENOENT).IsNotFound());

  CHECK(PosixError("pwrite", "/x/y", EIO).message() == "pwrite /x/y: Input/output error");
  CHECK(PosixError("open", "/x", EMFILE).code() == Status::Code::kIoError);
}

TEST_CASE("a real disk that is full says so") {
  if (::access("/dev/full", W_OK) != 0) return;
  auto file = FileSystem::Posix()->OpenForWrite("/dev/full");
  REQUIRE(file.ok());
  const Status status = (*file)->WriteAt(0, "x");
  CHECK(status.IsNoSpace());
  CHECK(Mentions(status, "/dev/full"));
}

TEST_CASE("a write that the system cuts short is an error, not a short success") {
  Place place(true);
  auto file = place.Create("a");
  struct rlimit before;
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  auto* const old_handler = ::signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = before;
  small.rlim_cur = 1000;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const Status status = file->WriteAt(0, std::string(5000, 'x'));
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  ::signal(SIGXFSZ, old_handler);
  CHECK(status.IsIoError());
  CHECK(Mentions(status, "File too large"));
  CHECK(file->Close().ok());
}

}  // namespace lsm
