#include "server/memory.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <new>
#include <string_view>

namespace crisp {
namespace {

// dl_iterate_phdr(3) gives the program itself first; its libraries are shared with others.
int DropReadOnlySegments(dl_phdr_info* info, size_t, void*) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    // Writable segments have private pages, which would come back without their changes.
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const uintptr_t begin = (info->dlpi_addr + segment.p_vaddr + page - 1) & ~(page - 1);
    const uintptr_t end = (info->dlpi_addr + segment.p_vaddr + segment.p_memsz) & ~(page - 1);
    if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 1;
}

[[noreturn]] void OnNoMemory() {
  constexpr std::string_view kText =
      "crispd: out of memory; ending, containers run on and are found again at the next start\n";
  (void)!::write(STDERR_FILENO, kText.data(), kText.size());
  ::_exit(1);
}

}  // namespace

void EndWithoutMemory() { std::set_new_handler(OnNoMemory); }

void LimitMalloc() {
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_TRIM_THRESHOLD, 256 << 10);
  ::mallopt(M_MMAP_THRESHOLD, 128 << 10);
}

void ReleaseStartMemory() {
  ::malloc_trim(0);
  ::dl_iterate_phdr(DropReadOnlySegments, nullptr);
}

}  // namespace crisp
