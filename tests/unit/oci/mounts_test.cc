#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "oci/spec_parts.h"
#include "test_rootfs.h"

namespace crisp::oci {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

class MountsTest : public ::testing::Test {
 protected:
  MountsTest() {
    features_.recursive_read_only = true;
    request_ = SmallRequest(rootfs_);
    request_.features = &features_;
    host_.mountinfo = host_files_.path() + "/mountinfo";
    host_files_.Write("mountinfo",
                      "22 1 8:1 / / rw,relatime - ext4 /dev/sda rw\n"
                      "23 22 0:20 / /priv rw - tmpfs t rw\n"
                      "24 22 8:1 / " +
                          host_files_.path() +
                          " rw shared:7 - ext4 /dev/sda rw\n"
                          "25 24 8:1 / " +
                          host_files_.path() +
                          "/slave rw master:7 - ext4 d rw\n"
                          "26 24 8:1 / " +
                          host_files_.path() +
                          "/with\\040blank rw - ext4 d rw\n"
                          "27 24 8:1 / " +
                          host_files_.path() +
                          "/twice rw - ext4 d rw\n"
                          "28 27 8:1 / " +
                          host_files_.path() + "/twice rw shared:9 - ext4 d rw\n");
    for (const char* dir : {"/slave", "/with blank", "/twice", "/slavery"}) {
      std::filesystem::create_directory(host_files_.path() + dir);
    }
  }
  Result<Spec> Build() {
    Spec spec;
    CRISP_RETURN_IF_ERROR(BuildMounts(request_, "", host_, "", &spec));
    return spec;
  }
  std::vector<SpecMount> Mounts() { return Build().value().mounts; }
  Result<SpecMount> One(RequestedMount mount) {
    request_.mounts = {mount};
    const Spec spec = CRISP_TRY(Build());
    for (const SpecMount& m : spec.mounts) {
      if (m.destination == CleanContainerPath(mount.container_path)) return m;
    }
    return NotFound("no such mount");
  }
  static std::vector<std::string> Destinations(const Spec& spec) {
    std::vector<std::string> out;
    for (const SpecMount& m : spec.mounts) out.push_back(m.destination);
    return out;
  }
  RequestedMount From(const std::string& sub) {
    return HostMount("/data", host_files_.path() + sub);
  }

  TestRootfs rootfs_;
  TestRootfs host_files_;
  RuntimeFeatures features_;
  HostFacts host_ = FullHost();
  ContainerRequest request_;
};

TEST_F(MountsTest, StandardSet) {
  const auto spec = Build();
  ASSERT_TRUE(spec.ok());
  EXPECT_THAT(Destinations(*spec), ElementsAre("/proc", "/dev", "/dev/pts", "/dev/mqueue", "/sys",
                                               "/sys/fs/cgroup", "/dev/shm"));
  EXPECT_THAT(spec->mounts[4].options, Contains("ro"));
  EXPECT_THAT(spec->mounts[5].options, Contains("ro"));
  EXPECT_THAT(spec->rootfs_propagation, IsEmpty());
}

TEST_F(MountsTest, SandboxFiles) {
  request_.resolv_conf_path = "/run/p/resolv.conf";
  request_.hostname_path = "/run/p/hostname";
  request_.hosts_path = "/run/p/hosts";
  request_.shm_path = "/run/p/shm";
  auto spec = *Build();
  EXPECT_THAT(Destinations(spec), Contains("/etc/hosts"));
  for (const SpecMount& m : spec.mounts) {
    if (m.destination.starts_with("/etc/")) {
      EXPECT_THAT(m.options, Contains("rw"));
    }
    if (m.destination == "/dev/shm") {
      EXPECT_EQ(m.source, "/run/p/shm");
    }
  }
  request_.readonly_rootfs = true;
  for (const SpecMount& m : Mounts()) {
    if (m.destination.starts_with("/etc/")) {
      EXPECT_THAT(m.options, Contains("ro"));
    }
    if (m.destination == "/dev/shm") {
      EXPECT_THAT(m.options, Contains("rw"));
    }
  }
  host_files_.Write("hosts", "x");
  request_.mounts = {HostMount("/etc/hosts", host_files_.path() + "/hosts")};
  for (const SpecMount& m : Mounts()) {
    if (m.destination == "/etc/hosts") {
      EXPECT_EQ(m.source, host_files_.path() + "/hosts");
    }
  }
}

TEST_F(MountsTest, OptionsOfCriMounts) {
  auto mount = From("/slavery");
  EXPECT_THAT(One(mount)->options, ElementsAre("rbind", "rprivate", "rw"));
  EXPECT_EQ(One(mount)->type, "bind");
  mount.readonly = true;
  EXPECT_THAT(One(mount)->options, ElementsAre("rbind", "rprivate", "ro"));
  mount.recursive_read_only = true;
  EXPECT_THAT(One(mount)->options, ElementsAre("rbind", "rprivate", "rro"));
  mount = From("/slavery");
  mount.mount_options = {"noexec", "nodev", "nosuid"};
  EXPECT_THAT(One(mount)->options,
              ElementsAre("rbind", "rprivate", "rw", "noexec", "nodev", "nosuid"));
  mount.mount_options = {"suid"};
  EXPECT_EQ(One(mount).status().code(), Code::kInvalidArgument);
}

TEST_F(MountsTest, RecursiveReadOnlyRules) {
  auto mount = From("/slavery");
  mount.recursive_read_only = true;
  EXPECT_EQ(One(mount).status().code(), Code::kInvalidArgument) << "needs readonly";
  mount.readonly = true;
  for (auto propagation : {MountPropagation::kHostToContainer, MountPropagation::kBidirectional}) {
    mount.propagation = propagation;
    EXPECT_EQ(One(mount).status().code(), Code::kInvalidArgument);
  }
  mount.propagation = MountPropagation::kPrivate;
  features_.recursive_read_only = false;
  const Status status = One(mount).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_TRUE(status.message().starts_with("RROUnsupported: ")) << status.message();
}

TEST_F(MountsTest, PropagationAgainstMountinfo) {
  using P = MountPropagation;
  struct Case {
    const char* sub;
    P propagation;
    bool ok;
    const char* option;
    const char* root;
  };
  for (const Case& c : {Case{"", P::kBidirectional, true, "rshared", "rshared"},
                        Case{"", P::kHostToContainer, true, "rslave", "rslave"},
                        Case{"/slave", P::kHostToContainer, true, "rslave", "rslave"},
                        Case{"/slave", P::kBidirectional, false, "", ""},
                        // A name that only begins like a mount point is not below it.
                        Case{"/slavery", P::kBidirectional, true, "rshared", "rshared"},
                        Case{"/with blank", P::kHostToContainer, false, "", ""},
                        // Of two mounts on one point the later is the one that is seen.
                        Case{"/twice", P::kBidirectional, true, "rshared", "rshared"}}) {
    SCOPED_TRACE(c.sub);
    auto mount = From(c.sub);
    mount.propagation = c.propagation;
    const auto made = One(mount);
    ASSERT_EQ(made.ok(), c.ok) << made.status().ToString();
    if (!c.ok) {
      EXPECT_EQ(made.status().code(), Code::kFailedPrecondition);
      continue;
    }
    EXPECT_THAT(made->options, Contains(c.option));
    EXPECT_EQ(Build()->rootfs_propagation, c.root);
  }
}

TEST_F(MountsTest, SourcesAreResolvedOrMade) {
  host_files_.Symlink("slavery", "link");
  EXPECT_EQ(One(From("/link"))->source, host_files_.path() + "/slavery");
  EXPECT_EQ(One(From("/new/deep"))->source, host_files_.path() + "/new/deep");
  EXPECT_TRUE(std::filesystem::is_directory(host_files_.path() + "/new/deep"));
  host_files_.Symlink("nowhere", "dangling");
  EXPECT_FALSE(One(From("/dangling")).ok());
  host_files_.Write("file", "");
  EXPECT_TRUE(One(From("/file")).ok());
  EXPECT_FALSE(One(From("/file/below")).ok());
  for (const char* bad : {"", "relative"}) {
    EXPECT_EQ(One(HostMount("/data", bad)).status().code(), Code::kInvalidArgument);
  }
}

TEST_F(MountsTest, ContainerPaths) {
  auto mount = From("/slavery");
  for (const auto& [given, expected] :
       {std::pair{"data", "/data"}, {"/data/", "/data"}, {"//a/./b/../c", "/a/c"}}) {
    mount.container_path = given;
    ASSERT_TRUE(One(mount).ok()) << given;
    EXPECT_EQ(One(mount)->destination, expected);
  }
  for (const char* bad : {"", "/", "..", "/a/.."}) {
    mount.container_path = bad;
    EXPECT_EQ(One(mount).status().code(), Code::kInvalidArgument) << bad;
  }
}

TEST_F(MountsTest, ParentsFirstAndTheLaterWins) {
  const std::string a = host_files_.path() + "/slavery";
  const std::string b = host_files_.path() + "/slave";
  request_.mounts = {HostMount("/x/y/z", a), HostMount("/x", a), HostMount("/b", a),
                     HostMount("/x/y/", a), HostMount("/x/y/z", b)};
  const Spec spec = *Build();
  std::vector<std::string> order;
  for (const SpecMount& m : spec.mounts) {
    if (m.type == "bind") order.push_back(m.destination);
  }
  EXPECT_THAT(order, ElementsAre("/x", "/b", "/x/y", "/x/y/z"));
  EXPECT_EQ(spec.mounts.back().source, b);
}

TEST_F(MountsTest, CriMountsReplaceKernelMounts) {
  const std::string a = host_files_.path() + "/slavery";
  request_.shm_path = "/run/p/shm";
  request_.mounts = {HostMount("/dev", a)};
  auto destinations = Destinations(*Build());
  EXPECT_THAT(destinations, AllOf(Contains("/dev"), Not(Contains("/dev/pts")),
                                  Not(Contains("/dev/shm")), Contains("/sys")));
  request_.mounts = {HostMount("/dev/shm", a)};
  destinations = Destinations(*Build());
  EXPECT_EQ(std::count(destinations.begin(), destinations.end(), "/dev/shm"), 1);
  request_.mounts = {HostMount("/etc", a)};
  request_.hosts_path = "/run/p/hosts";
  destinations = Destinations(*Build());
  EXPECT_LT(std::find(destinations.begin(), destinations.end(), "/etc"),
            std::find(destinations.begin(), destinations.end(), "/etc/hosts"));
}

TEST_F(MountsTest, PlacesInTheImage) {
  rootfs_.Write("dir/file", "");
  rootfs_.Symlink("/proc/self", "abs");
  rootfs_.Symlink("../../../../proc", "dir/rel");
  rootfs_.Symlink("dir", "ok");
  rootfs_.Symlink("loop", "loop");
  rootfs_.Symlink("abs/attr", "twice");
  const DirFd root = rootfs_.dir();
  for (const auto& [path, place] : {std::pair{"/a/b", "/a/b"},
                                    {"/ok/x", "/dir/x"},
                                    {"/abs", "/proc/self"},
                                    {"/abs/attr/exec", "/proc/self/attr/exec"},
                                    {"/dir/rel/sys", "/proc/sys"},
                                    {"/ok/rel", "/proc"},
                                    {"/twice/exec", "/proc/self/attr/exec"},
                                    {"/", "/"},
                                    {"/dir/file/x", "/dir/file/x"},
                                    {"/ok/../../..", "/"}}) {
    EXPECT_EQ(PlaceInRoot(root, path).value(), place) << path;
  }
  EXPECT_EQ(PlaceInRoot(root, "/loop/x").status().code(), Code::kInvalidArgument);
}

TEST_F(MountsTest, NoLinkOfTheImageLeadsAMountIntoProc) {
  rootfs_.Symlink("/proc", "data");
  rootfs_.Symlink("/", "root");
  const DirFd root = rootfs_.dir();
  Spec spec;
  const auto check = [&](const char* destination) {
    spec.mounts = {{"/proc", "proc", "proc", {}}, {destination, "bind", "/tmp", {"rbind"}}};
    return CheckMountPlaces(root, spec);
  };
  EXPECT_TRUE(check("/proc/self/x").ok()) << "as the client wrote it";
  EXPECT_TRUE(check("/proc/self/x/").ok());
  // What cannot be looked at is not taken for a place without links.
  const Status unknown = check(Cat("/", std::string(300, 'x')).c_str());
  EXPECT_EQ(unknown.sys_errno(), ENAMETOOLONG) << unknown.ToString();
  EXPECT_TRUE(check("/mnt").ok());
  for (const char* bad : {"/data", "/data/self/attr", "/root", "/root/proc"}) {
    const Status status = check(bad);
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << bad;
    EXPECT_THAT(status.message(), testing::HasSubstr(bad));
  }
}

TEST_F(MountsTest, VolumesThatAnImageCannotHave) {
  for (const char* bad : {"/", "..", "/proc", "/proc/self", "/a/../proc"}) {
    request_.image_volumes = {{bad, "/run/v/0"}};
    const Status status = Build().status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << bad;
    EXPECT_THAT(status.message(), testing::HasSubstr(bad));
  }
  request_.image_volumes = {{"/sys/fs/cgroup", "/run/v/0"}, {"/processes", "/run/v/1"}};
  EXPECT_TRUE(Build().ok());
}

TEST_F(MountsTest, ImageVolumes) {
  request_.image_volumes = {{"/cache", "/run/v/0"}, {"/data", "/run/v/1"}};
  request_.mounts = {From("/slavery")};
  for (const SpecMount& m : Mounts()) {
    if (m.destination == "/cache") {
      EXPECT_EQ(m.source, "/run/v/0");
    }
    if (m.destination == "/data") {
      EXPECT_EQ(m.source, host_files_.path() + "/slavery");
    }
  }
}

}  // namespace
}  // namespace crisp::oci
