// SPDX-License-Identifier: BSD-3-Clause
#include "lsm/wal/log_reader.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <map>
#include <optional>

#include "lsm/format/coding.h"
#include "lsm/format/file_header.h"
#include "lsm/format/file_names.h"
#include "lsm/format/log_format.h"
#include "lsm/wal/segment_reader.h"

namespace lsm {
namespace {

// Bytes between two calls of `progress`.
constexpr uint64_t kProgressStep = uint64_t{1} << 20;

std::string At(uint64_t segment, uint64_t offset) {
  return SegmentName(segment) + ": offset " + std::to_string(offset) + ": ";
}

// A corruption found by someone who does not know the file, with the file.
Status Located(Status status, uint64_t segment, uint64_t offset) {
  if (!status.IsCorruption()) return status;
  return Status::Corruption(At(segment, offset) + std::string(status.message()));
}

// Puts together the units of groups that were found to follow one another.
class UnitAssembler {
 public:
  UnitAssembler(const ReplayUnit& unit, const ReplayAhead& ahead) : ahead_(ahead), unit_(unit) {}

  // Hands over every unit that ends in the group. A corruption lacks file and offset.
  Status Add(const LogGroupHeader& header, std::string_view payload) {
    const bool first = !any_group_;
    any_group_ = true;
    if ((header.flags & kLogGroupBeginsInsideUnit) == 0) {
      Abandon();
      if ((header.flags & kLogGroupEndsInsideUnit) == 0) {
        return HandOver(payload, header.first_sequence, header.units);
      }
      state_ = State::kCollecting;
    } else if (state_ == State::kWhole) {
      // The log begins inside this unit: the rest of it went with an older segment, when all of it
      // was in SST files.
      if (!first) return Status::Corruption("a group goes on with a unit that was not begun");
      state_ = State::kSkipping;
    }
    if (state_ == State::kCollecting) fragments_.append(payload);
    if ((header.flags & kLogGroupEndsInsideUnit) != 0) return Status::Ok();
    const Status status = state_ == State::kCollecting
                              ? HandOver(fragments_, header.first_sequence, 1)
                              : Status::Ok();
    Abandon();
    return status;
  }

  bool inside_unit() const { return state_ != State::kWhole; }
  uint64_t units() const { return units_; }

 private:
  enum class State { kWhole, kCollecting, kSkipping };

  void Abandon() {
    state_ = State::kWhole;
    std::string().swap(fragments_);
  }

  // Takes the units of `framed` apart, and hands them over some at a time.
  Status HandOver(std::string_view framed, SequenceNumber first, uint32_t count) {
    constexpr uint32_t kAhead = 32;
    std::array<LogUnit, kAhead> units;
    for (uint32_t done = 0; done < count;) {
      uint32_t taken = 0;
      while (taken < std::min(kAhead, count - done)) {
        uint64_t size;
        LogUnit& unit = units[taken];
        if (!GetVarint64(&framed, &size) || !GetVarint32(&framed, &unit.operations) ||
            size > framed.size()) {
          return Status::Corruption("unit " + std::to_string(first + done + taken) +
                                    " is cut in its group");
        }
        unit.sequence = first + done + taken;
        unit.bytes = framed.substr(0, size);
        framed.remove_prefix(size);
        ++taken;
      }
      if (ahead_) ahead_(std::span(units).first(taken));
      for (uint32_t i = 0; i < taken; ++i) {
        RETURN_IF_ERROR(unit_(units[i].sequence, units[i].operations, units[i].bytes));
        ++units_;
      }
      done += taken;
    }
    return framed.empty() ? Status::Ok() : Status::Corruption("bytes behind a group's units");
  }

  const ReplayAhead& ahead_;
  const ReplayUnit& unit_;
  State state_ = State::kWhole;
  bool any_group_ = false;
  std::string fragments_;
  uint64_t units_ = 0;
};

// 1. Read segment by segment, in each the groups that chain, up to the first place where there is
//    none (ReadSegment).
// 2. The end is behind the last group that chained. Search everything behind it for groups that
//    are valid by themselves; their synced_through are marks (SearchBehindEnd).
// 3. A mark above the last whole unit is corruption; so is a damaged file header before any group,
//    since a header is synced before the first group is written (Judge).
class LogReplay {
 public:
  LogReplay(const LogRecoveryInput& input, const ReplayUnit& unit, const ReplayAhead& ahead,
            const std::function<void(uint64_t, uint64_t)>& progress)
      : input_(input), progress_(progress), assembler_(unit, ahead) {
    recovery_.end = input.start;
    mark_ = {input.mark, "the manifest"};
  }

  Result<LogRecovery> Run() {
    RETURN_IF_ERROR(MeasureSegments());
    for (size_t i = 0; i < input_.segments.size(); ++i) RETURN_IF_ERROR(ReadSegment(i));
    RETURN_IF_ERROR(SearchBehindEnd());
    RETURN_IF_ERROR(Judge());
    RETURN_IF_ERROR(CheckUnnamed());
    DescribeEnd();
    const SequenceNumber proven = std::max(mark_.sequence, recovery_.largest_synced_through);
    for (const auto& [segment, last] : last_of_) {
      if (last.sequence > proven) recovery_.doubtful.push_back({segment, last.end});
    }
    recovery_.units = assembler_.units();
    return std::move(recovery_);
  }

 private:
  struct Place {
    uint64_t segment = 0;
    uint64_t offset = 0;
    std::string problem;
    std::string Text() const { return At(segment, offset) + problem; }
  };
  struct Mark {
    SequenceNumber sequence = 0;
    std::string proof;  // where it was found
  };

  Status MeasureSegments() {
    assert(std::is_sorted(input_.segments.begin(), input_.segments.end()));
    for (const uint64_t number : input_.segments) {
      const Result<SegmentReader> segment = Open(number);
      if (segment.status().IsNotFound()) {
        return Status::Corruption(At(number, 0) +
                                  "the manifest names this segment, but there is no such file");
      }
      if (!segment.ok()) return segment.status();
      total_ += segment->size();
    }
    return Status::Ok();
  }

  Result<SegmentReader> Open(uint64_t number) const {
    return SegmentReader::Open(input_.fs, WalFileName(input_.directory, number), number);
  }

  Status ReadSegment(size_t index) {
    Result<SegmentReader> segment = Open(input_.segments[index]);
    if (!segment.ok()) return segment.status();
    std::string problem;
    RETURN_IF_ERROR(segment->ReadHeader(&problem));
    if (problem.empty()) {
      RETURN_IF_ERROR(ReadGroups(index, &*segment));
    } else if (!bad_header_) {
      bad_header_ = Place{segment->number(), 0, problem};
    }
    done_ += segment->size();
    ReportProgress(0);
    return Status::Ok();
  }

  Status ReadGroups(size_t index, SegmentReader* segment) {
    uint64_t offset = kFileHeaderSize;
    for (;;) {
      Result<SegmentReader::Group> group = segment->Read(offset);
      if (!group.ok()) return group.status();
      if (group->valid && !Chains(group->header, recovery_.end)) {
        group->valid = false;
        group->remains = true;
        group->problem = "there is a group that does not follow the last one read";
      }
      if (!group->valid) {
        NotePlace(index, Place{segment->number(), offset, group->problem}, group->remains,
                  offset > kFileHeaderSize);
        return Status::Ok();
      }
      if (bad_header_) return HeaderCorruption(Place{segment->number(), offset, ""});
      RETURN_IF_ERROR(
          Located(assembler_.Add(group->header, group->payload), segment->number(), offset));
      // A part of a unit counts as that unit.
      last_of_[segment->number()] = {
          std::max(group->header.first_sequence, group->header.last_sequence()),
          offset + group->size};
      recovery_.end = {group->header.last_sequence(), group->header.checksum};
      recovery_.largest_synced_through =
          std::max(recovery_.largest_synced_through, group->header.synced_through);
      recovery_.bytes_read += group->size;
      offset += group->size;
      ReportProgress(offset);
    }
  }

  static bool Chains(const LogGroupHeader& header, const LogPosition& position) {
    return header.previous_checksum == position.last_checksum &&
           header.first_sequence == position.last_sequence + 1;
  }

  // A segment had its last chained group before `place`, or, if not `any`, had none.
  void NotePlace(size_t index, Place place, bool remains, bool any) {
    if (any || !end_) {  // without any, the log is empty so far
      if (any) end_index_ = index;
      end_ = std::move(place);
      remains_behind_ = remains;
      behind_.clear();
      return;
    }
    behind_.push_back(std::move(place));
    remains_behind_ = remains_behind_ || remains;
  }

  Status SearchBehindEnd() {
    for (size_t i = end_index_.value_or(0); i < input_.segments.size(); ++i) {
      const uint64_t number = input_.segments[i];
      const bool has_end = end_index_ && i == *end_index_;
      if (!has_end) recovery_.dead_segments.push_back(number);
      Result<SegmentReader> segment = Open(number);
      if (!segment.ok()) return segment.status();
      RETURN_IF_ERROR(
          segment->Search(has_end ? end_->offset : kFileHeaderSize,
                          [this, number](uint64_t offset, const LogGroupHeader& header) {
                            NoteGroupBehind(number, offset, header.synced_through);
                          }));
    }
    return Status::Ok();
  }

  void NoteGroupBehind(uint64_t segment, uint64_t offset, SequenceNumber synced_through) {
    ++groups_behind_;
    if (bad_header_ && !after_bad_header_ && segment >= bad_header_->segment) {
      after_bad_header_ = Place{segment, offset, ""};
    }
    recovery_.largest_synced_through = std::max(recovery_.largest_synced_through, synced_through);
    if (synced_through > mark_.sequence) {
      mark_ = {synced_through,
               "the group at " + SegmentName(segment) + ", offset " + std::to_string(offset) + ","};
    }
  }

  Status Judge() {
    if (after_bad_header_) return HeaderCorruption(*after_bad_header_);
    if (mark_.sequence <= recovery_.end.last_sequence) return Status::Ok();
    return Status::Corruption(EndText() + ", and the log ends at sequence " +
                              std::to_string(recovery_.end.last_sequence) + "; but " + mark_.proof +
                              " proves that it was on disk through " +
                              std::to_string(mark_.sequence));
  }

  Status HeaderCorruption(const Place& group) const {
    return Status::Corruption(bad_header_->Text() + "; it was on disk before the group at " +
                              SegmentName(group.segment) + ", offset " +
                              std::to_string(group.offset) + ", was written");
  }

  Status CheckUnnamed() {
    for (const uint64_t number : input_.unnamed) {
      Result<SegmentReader> segment = Open(number);
      if (!segment.ok()) return segment.status();
      const Result<SegmentReader::Group> group = segment->Read(kFileHeaderSize);
      if (!group.ok()) return group.status();
      if (group->valid && Chains(group->header, recovery_.end)) {
        return Status::Corruption(At(number, kFileHeaderSize) +
                                  "the log goes on here, but the manifest does not name this "
                                  "segment: an edit of the manifest is lost");
      }
    }
    return Status::Ok();
  }

  // Where the log ends and why, and the same of the segments right behind: the damage may be where
  // the log ends, or where it should go on.
  std::string EndText() const {
    constexpr size_t kNamedSegments = 3;
    std::vector<std::string> places;
    if (end_) places.push_back(end_->Text());
    if (bad_header_) places.push_back(bad_header_->Text());
    for (size_t i = 0; i < std::min(behind_.size(), kNamedSegments); ++i) {
      places.push_back(behind_[i].Text());
    }
    if (places.empty()) return "the manifest names no log segment";
    std::string text = places[0];
    for (size_t i = 1; i < places.size(); ++i) text += "; " + places[i];
    return text;
  }

  void DescribeEnd() {
    recovery_.tail_cut =
        remains_behind_ || groups_behind_ > 0 || bad_header_ || assembler_.inside_unit();
    if (!recovery_.tail_cut) return;
    recovery_.tail_description = EndText() + "; " + std::to_string(groups_behind_) +
                                 " groups behind it, none of which was known to be on disk";
    if (assembler_.inside_unit()) recovery_.tail_description += "; the last unit has no end";
  }

  void ReportProgress(uint64_t offset) {
    if (!progress_ || (offset != 0 && done_ + offset < reported_ + kProgressStep)) return;
    reported_ = done_ + offset;
    progress_(reported_, total_);
  }

  const LogRecoveryInput& input_;
  const std::function<void(uint64_t, uint64_t)>& progress_;
  UnitAssembler assembler_;
  LogRecovery recovery_;
  struct Last {
    SequenceNumber sequence = 0;  // of the last unit with bytes there
    uint64_t end = 0;             // offset behind them
  };
  std::map<uint64_t, Last> last_of_;  // of segments

  std::optional<size_t> end_index_;        // the segment with the last chained group
  std::optional<Place> end_;               // behind that group
  std::optional<Place> bad_header_;        // the first file header that is not right
  std::optional<Place> after_bad_header_;  // a group in its segment or a later one
  std::vector<Place> behind_;              // one for each segment behind it
  bool remains_behind_ = false;
  uint64_t groups_behind_ = 0;
  Mark mark_;
  uint64_t done_ = 0;  // bytes of segments read to their end
  uint64_t total_ = 0;
  uint64_t reported_ = 0;
};

}  // namespace

Result<LogRecovery> ReplayLog(const LogRecoveryInput& input, const ReplayUnit& unit,
                              const ReplayAhead& ahead,
                              const std::function<void(uint64_t done, uint64_t total)>& progress) {
  return LogReplay(input, unit, ahead, progress).Run();
}

}  // namespace lsm
