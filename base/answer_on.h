// AnswerOn: runs `work` on a lane or a strand and gives what it returns to `done`; where the job is
// refused, `done` gets why, here and now.
//
// Threads: as the place's Submit. `done` is called once; `work` must be copyable.
#ifndef CRISP_BASE_ANSWER_ON_H_
#define CRISP_BASE_ANSWER_ON_H_

#include <memory>
#include <utility>

#include "base/core/result.h"

namespace crisp {

template <typename Place, typename Done, typename Work>
void AnswerOn(Place& place, Done done, Work work) {
  // Shared: after a refusal the job is gone, and the answer is still owed.
  auto answer = std::make_shared<Done>(std::move(done));
  Status taken = place.Submit([answer, work = std::move(work)]() mutable { (*answer)(work()); });
  if (!taken.ok()) (*answer)(std::move(taken));
}

}  // namespace crisp

#endif  // CRISP_BASE_ANSWER_ON_H_
