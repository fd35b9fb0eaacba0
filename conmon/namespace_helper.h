// The helper that makes namespaces in a process of its own: crisp-init with one of these options.
//
//   crisp-init --user-namespace      a new user namespace; whoever started it writes the maps
//   crisp-init --namespaces FLAGS    as root of the user namespace on descriptor 4: new namespaces,
//                                    a sum of CLONE_NEWNET, CLONE_NEWIPC and CLONE_NEWUTS
//
// Why a process: setns(2) and unshare(2) with CLONE_NEWUSER are refused to programs with threads.
// Protocol on descriptor 3, a socket: it sends one NamespaceReport, then waits until the other end
// is closed and ends. The namespaces live in /proc/<pid>/ns until then.
// Contract: user_namespaces(7). Statically linked, no other code of crisp.
#ifndef CRISP_CONMON_NAMESPACE_HELPER_H_
#define CRISP_CONMON_NAMESPACE_HELPER_H_

namespace crisp::conmon {

// Both return the program's exit status: 0, or 1 after a report of what failed.
int HoldUserNamespace();
int HoldNamespaces(const char* flags);

}  // namespace crisp::conmon

#endif  // CRISP_CONMON_NAMESPACE_HELPER_H_
