// gRPC's threads: each of them is there, or crispd is not.
//
// gRPC 1.51 counts a thread that it did not get as one of its workers, and what it hands to that
// one (a connection's work) is never done: clients would wait for ever. So crispd ends at once, as
// without memory (memory.h), and its successor recovers. Crisp's own threads, std::thread's, are
// made in libstdc++, out of the reach of --wrap: where one is missing, a call fails.
#include <pthread.h>
#include <unistd.h>

#include <string_view>

// The linker's --wrap=pthread_create names both.
extern "C" {
int __real_pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                          void* (*start)(void*), void* argument);

int __wrap_pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                          void* (*start)(void*), void* argument) {
  const int error = __real_pthread_create(thread, attributes, start, argument);
  if (error == 0) return 0;
  constexpr std::string_view kText =
      "crispd: no thread for gRPC (a limit of memory or of processes); ending, containers run on "
      "and "
      "are found again at the next start\n";
  (void)!::write(STDERR_FILENO, kText.data(), kText.size());
  ::_exit(1);
}
}
