// Creation times that are never equal, also when two objects are made in the same instant or the
// wall clock steps back: the kubelet sorts by them (cri-contract section 3).
#ifndef CRISP_POD_CREATED_AT_H_
#define CRISP_POD_CREATED_AT_H_

#include <cstdint>

namespace crisp::pod {

int64_t NextCreatedAtNs();
// Of an object of an earlier daemon: what is made from now on is newer.
void NoteCreatedAtNs(int64_t created_at_ns);

}  // namespace crisp::pod

#endif  // CRISP_POD_CREATED_AT_H_
