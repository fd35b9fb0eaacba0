#!/usr/bin/env python3
"""Each rule of the lint finds what it is for, and lets good code pass."""
import sys
import unittest

sys.dont_write_bytecode = True
import cxx
import rules


def found(name, text):
    return sorted({f.split(": ")[1] for f in rules.check_source(name, text)})


class Layering(unittest.TestCase):
    def test_rooms(self):
        self.assertEqual(found("image/a.cc", '#include "network/network.h"\n'), ["layering"])
        self.assertEqual(found("image/a.cc", '#include "base/ids.h"\n'), [])
        self.assertEqual(found("conmon/a.cc", '#include "base/ids.h"\n'), ["layering"])
        self.assertEqual(found("conmon/a.cc", '#include "base/core/result.h"\n'), [])
        self.assertEqual(found("oci/a.cc", '#include "conmon/protocol.h"\n'), [])
        self.assertEqual(found("oci/a.cc", '#include "conmon/log_writer.h"\n'), ["layering"])
        self.assertEqual(found("pod/a.cc", '#include "cri-api/api.grpc.pb.h"\n'), ["layering"])
        self.assertEqual(found("pod/a.cc", '#include "server/daemon.h"\n'), ["layering"])
        self.assertEqual(found("base/core/a.cc", '#include "base/log.h"\n'), ["layering"])

    def test_third_party(self):
        self.assertEqual(found("pod/a.cc", "#include <yaml-cpp/yaml.h>\n"), ["third-party"])
        self.assertEqual(found("server/config/a.cc", "#include <yaml-cpp/yaml.h>\n"), [])
        self.assertEqual(found("base/core/a.cc", "#include <fmt/core.h>\n"), ["third-party"])
        self.assertEqual(found("base/core/a.cc", "#include <sys/mount.h>\n"), [])


class Sizes(unittest.TestCase):
    def test_file(self):
        self.assertEqual(found("pod/a.cc", "\n" * 601), ["file-size"])
        self.assertEqual(found("pod/a.cc", "\n" * 600), [])

    def test_function(self):
        body = "int F(int a) {\n" + "  a++;\n" * 58 + "}\n"
        self.assertEqual(found("pod/a.cc", body), [])
        self.assertEqual(found("pod/a.cc", body.replace("}", "  a--;\n}")), ["function-size"])

    def test_function_in_class_and_namespace(self):
        text = ("namespace a {\nclass B : public C {\n public:\n  B() : x_{1} {}\n  void F() {\n"
                + "    if (x_) { g(); }\n" * 60 + "  }\n int x_;\n};\n}\n")
        names = [n for n, _, length in cxx.functions(cxx.strip(text)) if length > 60]
        self.assertEqual(names, ["F"])

    def test_tables_are_not_functions(self):
        text = "const Step<C> kSteps[] = {\n" + '    {"a", &Run, &Undo},\n' * 80 + "};\n"
        self.assertEqual(list(cxx.functions(cxx.strip(text))), [])


class Banned(unittest.TestCase):
    def test_calls(self):
        self.assertEqual(found("pod/a.cc", "void F() { system(\"x\"); }\n"), ["banned"])
        self.assertEqual(found("pod/a.cc", "void F() { pid = fork(); }\n"), ["banned"])
        self.assertEqual(found("conmon/a.cc", "void F() { pid = fork(); }\n"), [])
        self.assertEqual(found("pod/a.cc", "void F() { gmtime_r(&t, &tm); }\n"), [])
        self.assertEqual(found("pod/a.cc", "void F() { std::thread(x).detach(); }\n"), ["banned"])
        self.assertEqual(found("pod/a.cc", "class PodManager {};\n"), ["banned"])

    def test_comments_and_literals_do_not_count(self):
        self.assertEqual(found("pod/a.cc", '// never fork()\nauto s = "throw system(1)";\n'), [])
        self.assertEqual(found("pod/a.cc", 'auto s = R"(throw)";\nint n = 1\'000;\n'), [])


class Guard(unittest.TestCase):
    def test_guard(self):
        good = "#ifndef CRISP_CRI_API_X_H_\n#define CRISP_CRI_API_X_H_\n#endif\n"
        self.assertEqual(found("cri-api/x.h", good), [])
        self.assertEqual(found("pod/x.h", good), ["guard"])


class Names(unittest.TestCase):
    def test_names(self):
        self.assertTrue(rules.check_names("a.md", "see /wo" + "rk/main/x"))
        self.assertTrue(rules.check_names("a.md", "written by an assis" + "tant"))
        self.assertFalse(rules.check_names("a.md", "a tty starts a session; /workspace; work/x"))


if __name__ == "__main__":
    unittest.main()
