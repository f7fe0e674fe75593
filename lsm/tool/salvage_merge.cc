// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/tool/salvage_merge.h"

#include <algorithm>
#include <utility>

#include "lsm/format/file_names.h"
#include "lsm/format/internal_key.h"
#include "lsm/util/quote.h"

namespace lsm::tool {

// Files that follow one another, as one cursor.
class SalvageMerge::Run {
 public:
  Run(const Input* input) : input_(input) {}

  // REQUIRES: Begin has not been called.
  bool Takes(const SalvageSource& source) const {
    if (sources_.empty()) return true;
    const SalvageSource& last = sources_.back();
    return last.bounded && source.bounded && last.file.largest_key < source.file.smallest_key;
  }
  void Add(SalvageSource source) { sources_.push_back(std::move(source)); }

  void Begin() { OpenNext(); }
  bool Valid() const { return cursor_ != nullptr && cursor_->Valid(); }
  void Next() {
    cursor_->Next();
    PassOutsiders();
    if (!cursor_->Valid()) OpenNext();
  }
  const SalvageCursor& record() const { return *cursor_; }

 private:
  // The order of the run's files rests on what was said of their ranges, which need not be true.
  void PassOutsiders() {
    const SalvageSource& source = sources_[next_ - 1];
    if (!source.bounded) return;
    for (; cursor_->Valid(); cursor_->Next()) {
      const std::string_view key = cursor_->user_key();
      if (source.file.smallest_key <= key && key <= source.file.largest_key) return;
      if (std::exchange(told_, next_) == next_) continue;
      Lose(source, Status::Corruption(SstFileName(input_->directory, source.file.file) +
                                      ": keys outside of the range that was said of it"));
    }
  }

  void OpenNext() {
    cursor_ = nullptr;
    while (!Valid() && next_ < sources_.size()) {
      const SalvageSource& source = sources_[next_++];
      cursor_ = nullptr;
      file_ = nullptr;
      const std::string path = SstFileName(input_->directory, source.file.file);
      Result<std::shared_ptr<const TableSalvage>> file =
          TableSalvage::Open(input_->fs, path, source.file.file, input_->fault);
      const Result<uint64_t> size = input_->fs->FileSize(path);
      if (size.ok()) input_->opened(*size);
      if (!file.ok()) {
        Lose(source, file.status());
        continue;
      }
      const std::optional<size_t> slice = FindSlice(**file, source);
      if (!slice) {
        Lose(source, Status::Corruption(path + ": a slice is not found"));
        continue;
      }
      file_ = std::move(*file);
      cursor_ = file_->NewCursor(*slice, input_->tree, input_->fault);
      PassOutsiders();
    }
  }

  // By its tree; by its properties if the directory of slices is lost.
  static std::optional<size_t> FindSlice(const TableSalvage& file, const SalvageSource& source) {
    if (source.slice) return *source.slice < file.slices().size() ? source.slice : std::nullopt;
    const std::vector<SalvagedSlice>& slices = file.slices();
    for (size_t i = 0; i < slices.size(); ++i) {
      if (slices[i].tree == source.file.slice_tree) return i;
      const std::optional<SstProperties>& found = slices[i].properties;
      if (!slices[i].tree && found && found->entries == source.file.entries &&
          found->smallest_key == source.file.smallest_key &&
          found->largest_key == source.file.largest_key &&
          found->largest_sequence == source.file.largest_sequence) {
        return i;
      }
    }
    return std::nullopt;
  }

  void Lose(const SalvageSource& source, const Status& why) const {
    std::optional<std::string> through;
    if (source.bounded) through = source.file.largest_key;
    const std::string from =
        source.bounded ? "; from " + Quoted(source.file.smallest_key) + " on" : "";
    input_->fault({Status::Corruption(std::string(why.message()) + from),
                   SstKeyRange{input_->tree, std::nullopt, std::move(through)}});
  }

  const Input* const input_;
  std::vector<SalvageSource> sources_;
  size_t next_ = 0;
  size_t told_ = 0;  // next_ when a file's range was found wrong last
  std::shared_ptr<const TableSalvage> file_;
  std::unique_ptr<SalvageCursor> cursor_;
};

bool SalvageMerge::After(const Run* a, const Run* b) {
  return CompareInternal(a->record().user_key(), a->record().sequence(), b->record().user_key(),
                         b->record().sequence()) > 0;
}

SalvageMerge::SalvageMerge(Input input) : input_(std::move(input)) {
  std::vector<SalvageSource> sources = input_.sources;
  std::stable_sort(sources.begin(), sources.end(),
                   [](const SalvageSource& a, const SalvageSource& b) {
                     return a.file.smallest_key < b.file.smallest_key;
                   });
  for (SalvageSource& source : sources) {
    auto run = std::find_if(runs_.begin(), runs_.end(),
                            [&](const std::unique_ptr<Run>& r) { return r->Takes(source); });
    if (run == runs_.end()) run = runs_.insert(run, std::make_unique<Run>(&input_));
    (*run)->Add(std::move(source));
  }
  for (const std::unique_ptr<Run>& run : runs_) {
    run->Begin();
    if (run->Valid()) heap_.push_back(run.get());
  }
  std::make_heap(heap_.begin(), heap_.end(), After);
}

SalvageMerge::~SalvageMerge() = default;

void SalvageMerge::Next() {
  std::pop_heap(heap_.begin(), heap_.end(), After);
  Run* const run = heap_.back();
  run->Next();
  if (run->Valid()) {
    std::push_heap(heap_.begin(), heap_.end(), After);
  } else {
    heap_.pop_back();
  }
}

const SalvageCursor& SalvageMerge::record() const { return heap_.front()->record(); }

}  // namespace lsm::tool
