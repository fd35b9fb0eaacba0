// Content-Range, the meter that judges a stream, and pieces that are put in order.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "image/pull/content_range.h"
#include "image/pull/flow_meter.h"
#include "image/pull/ordered_pieces.h"

namespace crisp::image {
namespace {

using std::chrono::milliseconds;

TEST(ContentRange, WhatItMaySay) {
  const auto range = ParseContentRange("bytes 100-199/1234");
  ASSERT_TRUE(range.ok());
  EXPECT_EQ(range->first, 100);
  EXPECT_EQ(range->last, 199);
  EXPECT_EQ(range->total, 1234);
  const auto open = ParseContentRange("Bytes 0-0/*");
  ASSERT_TRUE(open.ok());
  EXPECT_EQ(open->last, 0);
  EXPECT_EQ(open->total, -1);
  for (const char* wrong :
       {"", "bytes", "bytes ", "bytes 1", "bytes 1-", "bytes 1-2", "bytes 1-2/", "bytes 2-1/9",
        "bytes 1-9/9", "bytes */9", "bytes -1-2/9", "bytes +1-2/9", "bytes 1 -2/9", "bytes 1-2/9x",
        "bytes 1-99999999999999999999/*", "items 1-2/9", "bytes=1-2/9"}) {
    const auto parsed = ParseContentRange(wrong);
    EXPECT_EQ(parsed.status().code(), Code::kDataLoss) << wrong;
  }
}

// 32 arrivals of 256 KiB, each after `wait`, each dealt with in `work`: one window.
bool Window(FlowMeter* meter, MonoTime* now, Duration wait, Duration work) {
  bool out = false;
  for (int i = 0; i < 32; ++i) {
    *now += wait;
    const MonoTime arrived = *now;
    *now += work;
    EXPECT_FALSE(out) << "before the end of the window";
    out = meter->Add(arrived, *now, 256 << 10);
  }
  return out;
}

TEST(FlowMeter, SaysWhoWaitsForWhom) {
  MonoTime now = MonoNow();
  FlowMeter network;
  EXPECT_TRUE(Window(&network, &now, milliseconds(10), milliseconds(1)));
  FlowMeter unpacker;
  EXPECT_FALSE(Window(&unpacker, &now, milliseconds(1), milliseconds(10)));
  FlowMeter both;
  EXPECT_FALSE(Window(&both, &now, milliseconds(10), milliseconds(8)));
  FlowMeter fast;  // nobody does anything but wait, and still it is 100 MiB/s
  EXPECT_FALSE(Window(&fast, &now, std::chrono::microseconds(2500), Duration::zero()));
}

TEST(FlowMeter, ForgetsWhatWas) {
  MonoTime now = MonoNow();
  FlowMeter meter;
  // A layer that waited for its parents.
  EXPECT_FALSE(Window(&meter, &now, milliseconds(10), milliseconds(150)));
  int windows = 1;
  while (!Window(&meter, &now, milliseconds(10), milliseconds(1)) && windows < 20) ++windows;
  EXPECT_LE(windows, 8);
  // One hiccup of a fast network is none of its business.
  FlowMeter steady;
  for (int i = 0; i < 4; ++i) {
    EXPECT_FALSE(Window(&steady, &now, std::chrono::microseconds(300), milliseconds(3)));
  }
  now += milliseconds(250);
  EXPECT_FALSE(Window(&steady, &now, std::chrono::microseconds(300), milliseconds(3)));
}

constexpr int64_t kPiece = 1 << 20;

class OrderedPiecesTest : public testing::Test {
 protected:
  OrderedPiecesTest() {
    for (size_t i = 0; i < content_.size(); ++i) {
      content_[i] = static_cast<uint8_t>(i >> 10 ^ i);
    }
    stretch_.begin = 12345;
    stretch_.end = static_cast<int64_t>(content_.size());
    stretch_.piece_bytes = kPiece;
    stretch_.connections = 4;
  }
  // In portions of 10,000 bytes.
  Status Send(int64_t begin, int64_t end, const ByteSink& sink) {
    while (begin < end) {
      const int64_t n = std::min<int64_t>(end - begin, 10000);
      CRISP_RETURN_IF_ERROR(sink(Bytes(content_.data() + begin, static_cast<size_t>(n))));
      begin += n;
    }
    return OkStatus();
  }
  ByteSink Sink() {
    return [this](Bytes bytes) {
      got_.insert(got_.end(), bytes.begin(), bytes.end());
      return OkStatus();
    };
  }
  void ExpectGotUpTo(int64_t end) {
    EXPECT_EQ(got_.size(), static_cast<size_t>(end - stretch_.begin));
    EXPECT_TRUE(std::equal(got_.begin(), got_.end(), content_.begin() + stretch_.begin));
  }

  std::vector<uint8_t> content_ = std::vector<uint8_t>(10 * kPiece + 777);
  OrderedPieces::Stretch stretch_;
  std::vector<uint8_t> got_;
  StopFlag stop_;
};

TEST_F(OrderedPiecesTest, CoverTheStretchOnceAndInOrder) {
  std::mutex mutex;
  std::set<std::pair<int64_t, int64_t>> asked;
  std::set<int> connections;
  OrderedPieces pieces(stretch_, [&](int connection, int64_t begin, int64_t end,
                                     const ByteSink& sink, const StopFlag&) {
    {
      std::lock_guard lock(mutex);
      EXPECT_TRUE(asked.emplace(begin, end).second);
      connections.insert(connection);
    }
    return Send(begin, end, sink);
  });
  const Status status = pieces.Run(Sink(), stop_);
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(pieces.position(), stretch_.end);
  ExpectGotUpTo(stretch_.end);
  int64_t at = stretch_.begin;
  for (const auto& [begin, end] : asked) {
    EXPECT_EQ(begin, at);
    EXPECT_LE(end - begin, kPiece);
    at = end;
  }
  EXPECT_EQ(at, stretch_.end);
  EXPECT_LE(connections.size(), 4u);
}

// While the head says nothing the others bring what they may keep, and no more.
TEST_F(OrderedPiecesTest, WhoIsAheadWaitsWithABoundedPart) {
  std::mutex mutex;
  std::condition_variable changed;
  int64_t ahead = 0;
  bool go_on = false;
  OrderedPieces pieces(
      stretch_,
      [&](int, int64_t begin, int64_t end, const ByteSink& sink, const StopFlag&) -> Status {
        if (begin == stretch_.begin) {
          std::unique_lock lock(mutex);
          // (3 + 2 + 1) / 4 of a piece; the last portions are in chunks that are not full.
          changed.wait(lock, [&] { return go_on || ahead >= 3 * kPiece / 2; });
          lock.unlock();
          std::this_thread::sleep_for(milliseconds(50));
          lock.lock();
          EXPECT_LE(ahead, 3 * kPiece / 2 + 4 * (256 << 10) + 4 * 10000);
          go_on = true;
          lock.unlock();
          return Send(begin, end, sink);
        }
        return Send(begin, end, [&](Bytes bytes) {
          Status status = sink(bytes);
          std::lock_guard lock(mutex);
          ahead += static_cast<int64_t>(bytes.size());
          changed.notify_all();
          return status;
        });
      });
  EXPECT_TRUE(pieces.Run(Sink(), stop_).ok());
  ExpectGotUpTo(stretch_.end);
}

TEST_F(OrderedPiecesTest, ASlowSinkHoldsUpTheConnections) {
  stretch_.piece_bytes = 2 * kPiece;  // the head brings along more than it may keep as head
  std::atomic<int64_t> sent{0};
  OrderedPieces pieces(stretch_,
                       [&](int, int64_t begin, int64_t end, const ByteSink& sink, const StopFlag&) {
                         return Send(begin, end, [&](Bytes bytes) {
                           sent += static_cast<int64_t>(bytes.size());
                           return sink(bytes);
                         });
                       });
  int64_t taken = 0;
  int64_t most = 0;
  const Status status = pieces.Run(
      [&](Bytes bytes) {
        std::this_thread::sleep_for(milliseconds(5));
        most = std::max(most, sent - taken);
        taken += static_cast<int64_t>(bytes.size());
        return OkStatus();
      },
      stop_);
  EXPECT_TRUE(status.ok());
  EXPECT_LE(most, (3 + 3 + 2 + 1) * stretch_.piece_bytes / 4 + 10 * (256 << 10));
}

TEST_F(OrderedPiecesTest, AFailureEndsBehindWhatIsBeforeIt) {
  const int64_t bad = stretch_.begin + 3 * kPiece;
  std::atomic<int> begun_behind{0};
  OrderedPieces pieces(
      stretch_,
      [&](int, int64_t begin, int64_t end, const ByteSink& sink, const StopFlag&) -> Status {
        if (begin > bad) ++begun_behind;
        if (begin != bad) return Send(begin, end, sink);
        CRISP_RETURN_IF_ERROR(Send(begin, begin + kPiece / 2, sink));
        return Unavailable("broken");
      });
  const Status status = pieces.Run(Sink(), stop_);
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_EQ(status.message(), "broken");
  EXPECT_GE(pieces.position(), bad);
  EXPECT_LE(pieces.position(), bad + kPiece / 2);
  ExpectGotUpTo(pieces.position());
  EXPECT_LE(begun_behind, 3);
}

TEST_F(OrderedPiecesTest, PiecesThatAreTooShortAreNoSuccess) {
  OrderedPieces pieces(stretch_, [&](int, int64_t begin, int64_t end, const ByteSink& sink,
                                     const StopFlag&) { return Send(begin, end - 1, sink); });
  EXPECT_EQ(pieces.Run(Sink(), stop_).code(), Code::kInternal);
  ExpectGotUpTo(stretch_.begin + kPiece - 1);
}

TEST_F(OrderedPiecesTest, TheSinksFailureEndsAll) {
  OrderedPieces pieces(stretch_, [&](int, int64_t begin, int64_t end, const ByteSink& sink,
                                     const StopFlag&) { return Send(begin, end, sink); });
  int calls = 0;
  const Status status = pieces.Run(
      [&](Bytes bytes) -> Status {
        if (++calls == 3) return DataLoss("full");
        got_.insert(got_.end(), bytes.begin(), bytes.end());
        return OkStatus();
      },
      stop_);
  EXPECT_EQ(status.message(), "full");
  EXPECT_EQ(calls, 3);
  ExpectGotUpTo(pieces.position());
}

TEST_F(OrderedPiecesTest, StopReachesEveryConnection) {
  std::atomic<int> waiting{0};
  OrderedPieces pieces(stretch_,
                       [&](int, int64_t, int64_t, const ByteSink&, const StopFlag& stop) -> Status {
                         if (++waiting == 4) stop_.Set();
                         while (!stop.IsSet()) std::this_thread::sleep_for(milliseconds(1));
                         return Cancelled("stopped");
                       });
  EXPECT_EQ(pieces.Run(Sink(), stop_).code(), Code::kCancelled);
  EXPECT_EQ(pieces.position(), stretch_.begin);
}

TEST_F(OrderedPiecesTest, MoreConnectionsThanPieces) {
  stretch_.connections = 8;
  stretch_.end = stretch_.begin + 2 * kPiece - 5;
  OrderedPieces pieces(stretch_, [&](int, int64_t begin, int64_t end, const ByteSink& sink,
                                     const StopFlag&) { return Send(begin, end, sink); });
  EXPECT_TRUE(pieces.Run(Sink(), stop_).ok());
  ExpectGotUpTo(stretch_.end);
}

}  // namespace
}  // namespace crisp::image
