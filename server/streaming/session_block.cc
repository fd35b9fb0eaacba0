#include "server/streaming/session_block.h"

#include <boost/asio/io_context.hpp>
#include <vector>

namespace crisp::streaming {
namespace {

constexpr size_t kKept = 4;

class BlockPool final : public boost::asio::execution_context::service {
 public:
  static inline boost::asio::execution_context::id id;
  explicit BlockPool(boost::asio::execution_context& context) : service(context) {}

  Block Take() {
    std::unique_ptr<char[]> memory;
    if (free_->empty()) {
      memory.reset(new char[kBlock_bytes]);
    } else {
      memory = std::move(free_->back());
      free_->pop_back();
    }
    return Block(memory.release(), [free = std::weak_ptr(free_)](char* back) {
      std::unique_ptr<char[]> owned(back);
      const auto list = free.lock();
      if (list && list->size() < kKept) list->push_back(std::move(owned));
    });
  }

 private:
  using List = std::vector<std::unique_ptr<char[]>>;
  void shutdown() override {}

  const std::shared_ptr<List> free_ = std::make_shared<List>();
};

}  // namespace

Block TakeBlock(Io* io, size_t bytes) {
  if (bytes < kBlock_bytes / 2) return Block(new char[bytes], std::default_delete<char[]>());
  return boost::asio::use_service<BlockPool>(*io).Take();
}

}  // namespace crisp::streaming
