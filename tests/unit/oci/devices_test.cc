#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <set>
#include <thread>

#include "base/core/clock.h"
#include "oci/spec_parts.h"
#include "test_rootfs.h"

namespace crisp::oci {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DevicesTest : public ::testing::Test {
 protected:
  Result<Spec> Build() {
    Spec spec;
    CRISP_RETURN_IF_ERROR(BuildDevices(request_, host_, &spec));
    return spec;
  }
  TestRootfs files_;
  HostFacts host_ = FullHost();
  ContainerRequest request_;
};

TEST_F(DevicesTest, DefaultRules) {
  const auto spec = Build();
  ASSERT_TRUE(spec.ok());
  EXPECT_THAT(spec->devices, IsEmpty());
  const auto& rules = spec->resources.devices;
  EXPECT_FALSE(rules[0].allow);
  EXPECT_EQ(rules[0].type, 'a');
  EXPECT_EQ(rules[1].access, "m");
  EXPECT_EQ(rules[2].access, "m");
  const auto allows = [&rules](int64_t major, std::optional<int64_t> minor) {
    return std::any_of(rules.begin(), rules.end(), [&](const DeviceRule& r) {
      return r.allow && r.major == major && r.minor == minor && r.access == "rwm";
    });
  };
  EXPECT_TRUE(allows(1, 3));
  EXPECT_TRUE(allows(136, std::nullopt));
  EXPECT_TRUE(allows(5, 2));
  EXPECT_FALSE(allows(8, 0));
}

TEST_F(DevicesTest, OneNodeThroughASymlink) {
  files_.Symlink("/dev/null", "link");
  request_.devices = {{"/dev/mine", files_.path() + "/link", "r"}};
  const auto spec = Build();
  ASSERT_TRUE(spec.ok()) << spec.status().ToString();
  ASSERT_THAT(spec->devices, SizeIs(1));
  EXPECT_EQ(spec->devices[0].path, "/dev/mine");
  EXPECT_EQ(spec->devices[0].type, 'c');
  EXPECT_EQ(spec->devices[0].major, 1);
  EXPECT_EQ(spec->devices[0].minor, 3);
  const DeviceRule& rule = spec->resources.devices.back();
  EXPECT_TRUE(rule.allow);
  EXPECT_EQ(rule.access, "r");
  EXPECT_EQ(rule.minor, 3);
}

TEST_F(DevicesTest, PathsAndPermissions) {
  request_.devices = {{"", "/dev/zero", ""}};
  EXPECT_EQ(Build()->devices[0].path, "/dev/zero");
  EXPECT_EQ(Build()->resources.devices.back().access, "rwm");
  for (const char* bad : {"x", "rwmx", "RW", "r w"}) {
    request_.devices[0].permissions = bad;
    const Status status = Build().status();
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << bad;
    EXPECT_THAT(status.message(), HasSubstr("permissions"));
  }
}

TEST_F(DevicesTest, MissingAndWrongKinds) {
  request_.devices = {{"/dev/x", files_.path() + "/missing", "rwm"}};
  EXPECT_EQ(Build().status().code(), Code::kNotFound);
  files_.Write("file", "");
  request_.devices[0].host_path = files_.path() + "/file";
  EXPECT_EQ(Build().status().code(), Code::kInvalidArgument);
  request_.devices[0].host_path = files_.path() + "/etc";
  EXPECT_EQ(Build().status().code(), Code::kInvalidArgument) << "a directory without devices";
  request_.devices[0].host_path = "";
  EXPECT_EQ(Build().status().code(), Code::kInvalidArgument);
}

TEST_F(DevicesTest, DirectoryMeansAllBelow) {
  std::filesystem::create_directories(files_.path() + "/dri/sub");
  const std::string one = files_.path() + "/dri/card0";
  if (::mknod(one.c_str(), S_IFCHR | 0660, makedev(226, 0)) != 0) {
    GTEST_SKIP() << "mknod needs root: " << std::strerror(errno);
  }
  ASSERT_EQ(::mknod((files_.path() + "/dri/sub/b").c_str(), S_IFBLK | 0600, makedev(8, 1)), 0);
  request_.devices = {{"/dev/gpu", files_.path() + "/dri", "rw"}};
  const auto spec = Build();
  ASSERT_TRUE(spec.ok()) << spec.status().ToString();
  ASSERT_THAT(spec->devices, SizeIs(2));
  for (const Device& device : spec->devices) {
    if (device.type == 'b') {
      EXPECT_EQ(device.path, "/dev/gpu/sub/b");
      EXPECT_EQ(device.mode, 0600u);
    } else {
      EXPECT_EQ(device.path, "/dev/gpu/card0");
      EXPECT_EQ(device.major, 226);
    }
  }
}

// Hot plugging. Now and then a directory is there when its name is looked at, and gone when it is
// opened.
TEST_F(DevicesTest, DirectoriesThatVanishMeanwhile) {
  const std::string top = files_.path() + "/dri";
  std::filesystem::create_directories(top);
  std::set<std::string> nodes;
  for (int i = 0; i < 8; ++i) {
    const std::string node = Cat("card", i);
    if (::mknod(Cat(top, "/", node).c_str(), S_IFCHR | 0600, makedev(226, i)) != 0) {
      GTEST_SKIP() << "mknod needs root: " << std::strerror(errno);
    }
    nodes.insert("/dev/dri/" + node);
  }
  request_.devices = {{"/dev/dri", top, "rw"}};
  std::atomic<bool> end{false};
  std::thread plugging([&] {
    for (int i = 0; !end; i = (i + 1) % 64) {
      const std::string directory = Cat(top, "/plugged", i);
      if (::mkdir(directory.c_str(), 0700) != 0) ::rmdir(directory.c_str());
    }
  });
  for (const MonoTime until = MonoNow() + std::chrono::milliseconds(500); MonoNow() < until;) {
    const auto spec = Build();
    EXPECT_TRUE(spec.ok()) << spec.status().ToString();
    if (!spec.ok()) break;
    std::set<std::string> found;
    for (const Device& device : spec->devices) found.insert(device.path);
    EXPECT_EQ(found, nodes);
    if (HasFailure()) break;
  }
  end = true;
  plugging.join();
}

TEST_F(DevicesTest, OfTheConfiguration) {
  request_.additional_devices = {{"/dev/fuse2", "/dev/zero", "rw"}};
  const auto spec = Build();
  ASSERT_TRUE(spec.ok()) << spec.status().ToString();
  EXPECT_EQ(spec->devices.at(0).path, "/dev/fuse2");
  EXPECT_TRUE(CheckDevice(request_.additional_devices[0]).ok());
  request_.additional_devices[0].host_path = "/dev/no-such-device";
  const Status status = Build().status();
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("additional_devices of the configuration: /dev/fuse2"));
  EXPECT_THAT(status.message(), HasSubstr("/dev/no-such-device"));
  EXPECT_EQ(CheckDevice(request_.additional_devices[0]).code(), Code::kNotFound);
}

TEST_F(DevicesTest, OwnershipFromTheSecurityContext) {
  request_.devices = {{"/dev/z", "/dev/zero", "rw"}};
  request_.user.uid = 1000;
  request_.user.gid = 2000;
  EXPECT_EQ(Build()->devices[0].uid, 0u);
  request_.own_devices = true;
  EXPECT_EQ(Build()->devices[0].uid, 1000u);
  EXPECT_EQ(Build()->devices[0].gid, 2000u);
  request_.user.gid.reset();
  EXPECT_EQ(Build()->devices[0].gid, 0u);
}

TEST_F(DevicesTest, PrivilegedGetsTheHosts) {
  request_.privileged = true;
  const auto spec = Build();
  ASSERT_TRUE(spec.ok()) << spec.status().ToString();
  ASSERT_THAT(spec->resources.devices, SizeIs(1));
  EXPECT_TRUE(spec->resources.devices[0].allow);
  EXPECT_EQ(spec->resources.devices[0].type, 'a');
  bool found_null = false;
  for (const Device& device : spec->devices) {
    found_null = found_null || device.path == "/dev/null";
    EXPECT_FALSE(device.path.starts_with("/dev/pts/")) << device.path;
    EXPECT_NE(device.path, "/dev/ptmx");
    EXPECT_NE(device.path, "/dev/console");
  }
  EXPECT_TRUE(found_null);
}

TEST_F(DevicesTest, PrivilegedWithoutTheHosts) {
  RuntimeOptions handler;
  request_.handler = &handler;
  request_.privileged = true;
  EXPECT_THAT(Build()->resources.devices, SizeIs(1)) << "by default as without a handler";
  handler.privileged_without_host_devices = true;
  const auto plain = Build();
  ASSERT_TRUE(plain.ok()) << plain.status().ToString();
  EXPECT_THAT(plain->devices, IsEmpty());
  EXPECT_FALSE(plain->resources.devices[0].allow);
  request_.devices = {{"/dev/mine", "/dev/zero", "r"}};
  const auto spec = Build();
  ASSERT_TRUE(spec.ok()) << spec.status().ToString();
  ASSERT_THAT(spec->devices, SizeIs(1));
  EXPECT_EQ(spec->devices[0].path, "/dev/mine");
  EXPECT_EQ(spec->resources.devices.size(), plain->resources.devices.size() + 1);
  EXPECT_EQ(spec->resources.devices.back().access, "r");
}

}  // namespace
}  // namespace crisp::oci
