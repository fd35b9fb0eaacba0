// OrderedPieces: a stretch of a blob over several connections, delivered in order.
//
//   connection 0  ███████▌            the head: its bytes go on as they come
//   connection 1  █████▌              ahead: kept in memory until the head is through
//   connection 2  ███▌
//   connection 3  █▌
//
// What:    each connection fetches one piece after the other. Of n pieces under way the one next
//          to the head may keep (n-1)/n of a piece in memory, the one behind it (n-2)/n, and so
//          on; who has as much waits. So the connections soon run staggered, as in the picture, and
//          none of them has to wait any more; all together keep half a piece for each beyond the
//          first, and a head that waits for the sink what it kept before or 1 MiB, each of them to
//          the next chunk (256 KiB).
// Threads: Run makes one for each connection, for the time of the call; `fetch` runs in those, the
//          sink in the caller's.
// Errors:  the sink's, or that of the first piece (by position) that could not be fetched; the
//          bytes before it have been delivered. kCancelled when `stop` is set; kResourceExhausted
//          when no thread can be had.
// After:   all threads have ended; position() is right in any case, so that others can go on there.
#ifndef CRISP_IMAGE_PULL_ORDERED_PIECES_H_
#define CRISP_IMAGE_PULL_ORDERED_PIECES_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "base/core/result.h"
#include "image/pull/byte_stream.h"

namespace crisp::image {

class OrderedPieces {
 public:
  struct Stretch {
    int64_t begin = 0;
    int64_t end = 0;
    int64_t piece_bytes = 0;
    int connections = 1;
  };
  // Pushes exactly the bytes from `begin` to before `end`, or fails; ends early when `stop` is set
  // or the sink refuses.
  using Fetch = std::function<Status(int connection, int64_t begin, int64_t end,
                                     const ByteSink& sink, const StopFlag& stop)>;

  OrderedPieces(const Stretch& stretch, Fetch fetch);

  // Once.
  Status Run(const ByteSink& sink, const StopFlag& stop);
  // Behind the last byte that the sink has taken.
  int64_t position() const { return position_; }

 private:
  struct Chunk {
    std::unique_ptr<uint8_t[]> data;
    size_t used = 0;
  };
  struct Piece {
    int64_t begin = 0;
    int64_t end = 0;
    size_t number = 0;
    Chunk filling;  // its connection's
    // Guarded by mutex_.
    std::deque<Chunk> chunks;
    int64_t kept_bytes = 0;
    bool ended = false;
    Status outcome;
  };

  void FetchPieces(int connection, const StopFlag& stop);
  std::shared_ptr<Piece> Begin();
  Status Put(Piece& piece, Bytes bytes);
  Status Push(Piece& piece);
  void End(Piece& piece, Status outcome);
  int64_t AllowanceLocked(const Piece& piece) const;
  Status Deliver(const ByteSink& sink);

  const Stretch stretch_;
  const Fetch fetch_;
  int64_t position_;  // the deliverer's

  std::mutex mutex_;  // guards what follows; not held while fetching or in the sink
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Piece>> pieces_;  // begun and not delivered; the head first
  size_t head_number_ = 0;
  size_t begun_ = 0;
  int64_t next_;         // where the next piece begins
  bool failed_ = false;  // one of the pieces: no other begins
  bool closed_ = false;  // nothing is taken any more
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_ORDERED_PIECES_H_
