// What keeps the daemon small.
//
// Threads: LimitMalloc before other threads exist; ReleaseStartMemory from any.
#ifndef CRISP_SERVER_MEMORY_H_
#define CRISP_SERVER_MEMORY_H_

namespace crisp {

// Two malloc arenas (lane threads come and go, and each would leave one behind) and thresholds that
// do not grow.
void LimitMalloc();

// Gives back what only the start needed: free heap, and the program's own code and constants, most
// of which (YAML, descriptors, recovery) will not run again. Pages that are wanted after all come
// back from the page cache.
void ReleaseStartMemory();

}  // namespace crisp

#endif  // CRISP_SERVER_MEMORY_H_
