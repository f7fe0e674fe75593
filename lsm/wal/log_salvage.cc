// SPDX-License-Identifier: BSD-3-Clause
// Segment by segment:
//   1. Groups are taken as long as each follows the one before.
//   2. Where none does, and the next segment goes on with the log, what is left of this one was
//      left by a write that failed, and means nothing.
//   3. Otherwise the first whole group behind with units that were not seen is looked for. If there
//      is one, and a mark proves that the log was on disk beyond the last unit seen, what lies
//      between is lost and reading goes on there; without such a mark it is a crash's tail, and the
//      log ends.
//   4. If there is none, the next segment is read.

#include "lsm/wal/log_salvage.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "lsm/format/coding.h"
#include "lsm/format/file_header.h"
#include "lsm/format/file_names.h"
#include "lsm/format/log_format.h"
#include "lsm/wal/segment_reader.h"

namespace lsm {
namespace {

class Salvager {
 public:
  Salvager(const LogSalvageInput& input, const ReplayUnit& unit,
           const std::function<void(std::string_view)>& lost)
      : input_(input), unit_(unit), lost_(lost) {
    if (input.start) position_ = *input.start;
  }

  Result<LogSalvage> Run() {
    for (size_t i = 0; i < input_.segments.size() && !ended_; ++i) {
      Result<SegmentReader> segment = Open(i);
      if (!segment.ok()) {
        lost_(segment.status().ToString());
        continue;
      }
      RETURN_IF_ERROR(ReadSegment(i, &*segment));
    }
    if (!ended_ && Mark() > Last()) NoteLost(input_.segments.size(), 0, Mark());
    return LogSalvage{Last(), units_};
  }

 private:
  Result<SegmentReader> Open(size_t i) const {
    const uint64_t number = input_.segments[i];
    return SegmentReader::Open(input_.fs, WalFileName(input_.directory, number), number);
  }
  SequenceNumber Last() const { return position_ ? position_->last_sequence : 0; }

  bool Follows(const LogGroupHeader& header) const {
    return !position_ || (header.first_sequence == position_->last_sequence + 1 &&
                          header.previous_checksum == position_->last_checksum);
  }

  Status ReadSegment(size_t i, SegmentReader* segment) {
    NoteHeader(segment);
    uint64_t offset = kFileHeaderSize;
    while (true) {
      const Result<SegmentReader::Group> group = segment->Read(offset);
      if (group.ok() && group->valid && Follows(group->header)) {
        RETURN_IF_ERROR(Take(*group, segment->number(), offset));
        offset += group->size;
        continue;
      }
      if (NextSegmentFollows(i)) return {};
      const std::optional<Found> next = FindBehind(segment, offset);
      if (!next) return {};
      if (Mark() <= Last()) {
        ended_ = true;
        return {};
      }
      NoteLost(i, offset, next->header.first_sequence - 1);
      position_ = {next->header.first_sequence - 1, next->header.previous_checksum};
      collecting_ = false;
      offset = next->offset;
    }
  }

  // A file header that is not right loses nothing, but is to be known.
  void NoteHeader(SegmentReader* segment) {
    std::string problem;
    const Status status = segment->ReadHeader(&problem);
    if (!status.ok()) return lost_(status.ToString());
    if (problem.empty() || !FindBehind(segment, kFileHeaderSize)) return;
    lost_(SegmentName(segment->number()) + ": offset 0: " + problem + "; its groups are read");
  }

  bool NextSegmentFollows(size_t i) {
    if (i + 1 >= input_.segments.size()) return false;
    Result<SegmentReader> segment = Open(i + 1);
    if (!segment.ok()) return false;
    const Result<SegmentReader::Group> group = segment->Read(kFileHeaderSize);
    return group.ok() && group->valid && position_ && Follows(group->header);
  }

  struct Found {
    uint64_t offset = 0;
    LogGroupHeader header;
  };
  // The first whole group at or behind `offset` with units that were not seen. A segment is
  // searched once, and what was looked at and is not whole is not looked at again, so that many
  // gaps cost little more than one. REQUIRES: within a segment, `offset` never falls
  std::optional<Found> FindBehind(SegmentReader* segment, uint64_t offset) {
    if (searched_ != segment->number()) {
      searched_ = segment->number();
      places_.clear();
      const Status searched =
          segment->Search(offset, [this](uint64_t place, const LogGroupHeader& header) {
            places_.push_back({place, header});
          });
      if (!searched.ok()) lost_(searched.ToString());
    }
    for (; !places_.empty(); places_.pop_front()) {
      const Found& place = places_.front();
      if (place.offset < offset || place.header.first_sequence <= Last()) continue;
      const Result<SegmentReader::Group> group = segment->Read(place.offset);
      if (group.ok() && group->valid) return place;
    }
    return std::nullopt;
  }

  // Highest sequence that is known to have been on disk.
  SequenceNumber Mark() {
    if (mark_) return *mark_;
    mark_ = input_.mark;
    for (size_t i = 0; i < input_.segments.size(); ++i) {
      Result<SegmentReader> segment = Open(i);
      if (!segment.ok()) continue;
      const Status searched =
          segment->Search(kFileHeaderSize, [this](uint64_t, const LogGroupHeader& header) {
            mark_ = std::max(*mark_, header.synced_through);
          });
      if (!searched.ok()) lost_(searched.ToString());
    }
    return *mark_;
  }

  void NoteLost(size_t i, uint64_t offset, SequenceNumber through) {
    if (through <= std::max(Last(), input_.in_files)) return;
    const std::string place = i < input_.segments.size()
                                  ? SegmentName(input_.segments[i]) + ": offset " +
                                        std::to_string(offset) + ": no whole group; "
                                  : "the log's end: ";
    lost_(place + "units " + std::to_string(Last() + 1) + " to " + std::to_string(through) +
          " are lost");
  }

  Status Take(const SegmentReader::Group& group, uint64_t segment, uint64_t offset) {
    const LogGroupHeader& header = group.header;
    position_ = {header.last_sequence(), header.checksum};
    const bool ends_inside = (header.flags & kLogGroupEndsInsideUnit) != 0;
    if ((header.flags & kLogGroupBeginsInsideUnit) == 0) {
      collecting_ = ends_inside;
      fragments_.clear();
      if (!ends_inside) return HandOver(group.payload, header, segment, offset);
    }
    if (!collecting_) return {};  // its beginning is lost, or is wholly in SST files
    fragments_.append(group.payload);
    if (ends_inside) return {};
    collecting_ = false;
    const std::string whole = std::move(fragments_);
    fragments_.clear();
    return HandOver(whole, header, segment, offset);
  }

  Status HandOver(std::string_view framed, const LogGroupHeader& header, uint64_t segment,
                  uint64_t offset) {
    for (uint32_t i = 0; i < header.units; ++i) {
      const SequenceNumber sequence = header.first_sequence + i;
      uint64_t size;
      uint32_t operations;
      const bool framed_well =
          GetVarint64(&framed, &size) && GetVarint32(&framed, &operations) && size <= framed.size();
      Status status = framed_well ? unit_(sequence, operations, framed.substr(0, size))
                                  : Status::Corruption("it is cut in its group");
      if (status.IsCorruption()) {
        lost_(SegmentName(segment) + ": offset " + std::to_string(offset) + ": unit " +
              std::to_string(sequence) + " is lost: " + std::string(status.message()));
        if (!framed_well) return {};
      } else {
        RETURN_IF_ERROR(status);
        ++units_;
      }
      framed.remove_prefix(size);
    }
    return {};
  }

  const LogSalvageInput& input_;
  const ReplayUnit& unit_;
  const std::function<void(std::string_view)>& lost_;
  std::optional<LogPosition> position_;  // behind the last group taken
  std::optional<SequenceNumber> mark_;
  std::optional<uint64_t> searched_;  // the segment of places_
  std::deque<Found> places_;          // where a group may be
  bool ended_ = false;
  bool collecting_ = false;  // a unit's first fragments are in fragments_
  std::string fragments_;
  uint64_t units_ = 0;
};

}  // namespace

Result<LogSalvage> SalvageLog(const LogSalvageInput& input, const ReplayUnit& unit,
                              const std::function<void(std::string_view line)>& lost) {
  return Salvager(input, unit, lost).Run();
}

}  // namespace lsm
