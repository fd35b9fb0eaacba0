// What keeps the daemon small.
//
// Threads: LimitMalloc and EndWithoutMemory before others exist; ReleaseStartMemory from any.
#ifndef CRISP_SERVER_MEMORY_H_
#define CRISP_SERVER_MEMORY_H_

namespace crisp {

// Two malloc arenas (lane threads come and go, and each would leave one behind) and thresholds that
// do not grow.
void LimitMalloc();

// Without memory the process ends at once, with one line on stderr and no core file: what was under
// way could neither be finished nor undone, and recovery does both. Malloc fails where a limit on
// the address space says so; a control group's limit kills, which is the same.
void EndWithoutMemory();

// Gives back what only the start needed: free heap, and the program's own code and constants, most
// of which (YAML, descriptors, recovery) will not run again. Pages that are wanted after all come
// back from the page cache.
void ReleaseStartMemory();

}  // namespace crisp

#endif  // CRISP_SERVER_MEMORY_H_
