#!/usr/bin/env python3
"""Writes the hand-made seeds of the fuzz corpus (see README.md beside this file).

usage: make_corpus.py [DIRECTORY]     (default: corpus/ beside this file)

The same files come out each time; other files in the directory (what a fuzzer found) stay.
"""
import base64
import gzip
import hashlib
import json
import pathlib
import re
import struct
import sys
import zlib

HERE = pathlib.Path(__file__).resolve().parent
SHA = "sha256:" + "0123456789abcdef" * 4
SHA2 = "sha256:" + "fedcba9876543210" * 4
SHA512 = "sha512:" + "0123456789abcdef" * 8
seeds = {}


def seed(target, name, content):
    """A seed; text, bytes, or anything else as JSON."""
    if not isinstance(content, (str, bytes)):
        content = json.dumps(content, indent=1) + "\n"
    if isinstance(content, str):
        content = content.encode()
    seeds[f"{target}/{name}"] = content


def oci_descriptor(media_type, blob):
    return {"mediaType": media_type, "digest": "sha256:" + hashlib.sha256(blob).hexdigest(),
            "size": len(blob)}


def each(target, texts):
    for number, text in enumerate(texts):
        seed(target, f"{number:02}", text)


# --- base -----------------------------------------------------------------------------------------
def stat(name=b"sh", state=b"S", parent=b"17", session=b"43", flags=b"4194560", start=b"987654321", pid=b"42"):
    """/proc/<pid>/stat, to field 24."""
    return b"%s (%s) %s %s 42 %s 34816 -1 %s 1 2 3 4 5 6 -7 8 20 0 1 0 %s 12345678 90\n" % (
        pid, name, state, parent, session, flags, start)


each("process_stat", [
    stat(), stat(name=b""), stat(name=b"a) Z 1 1 1 0 -1 4 (b"), stat(name=b")))"), stat(name=b"x\ny ("),
    stat(name=b"\xff\0\x1b[31m"), stat(name=stat()), stat(state=b"Z", session=b"-1", flags=b"4228364"),
    stat(state=b"SS"), stat(state=b""), stat(parent=b"2147483648"), stat(parent=b"+1"), stat(session=b"-2147483649"),
    stat(flags=b"-1"), stat(flags=b"4294967296"), stat(start=b"18446744073709551615"),
    stat(start=b"18446744073709551616"), stat(start=b""), stat(start=b"0x10"), stat()[:-13], stat()[:-14],
    stat().replace(b" ", b"  "), stat().replace(b" ", b"\t"), b"42 (sh", b")", b") S 1", b") " * 30])
each("process_cgroups", [
    "12:pids:/kubepods/pod1/c1\n11:cpu,cpuacct:/kubepods/pod1\n5:name=systemd:/init.scope\n0::/x\n", "0::/",
    "0::/kubepods.slice/crio-0123.scope (deleted)\n", "4:pids:/a:b::c\n", "4:pids:/../../x\n", "4:pids:\n:::\n",
    "4:,cpu,,:/a\n", "4:pids:/a\r\n\n\n5:", b"4:pids:/\0\xff\n", ":cpu:/a", "4:" + "c," * 500 + ":/a\n"])

each("cgroup_text", [
    "anon 1\nfile 4096\nlast 3", "usage_usec 18446744073709551615\n", "max\n", "64\n", "-1\n", "18446744073709551616\n",
    "key\nkey max\n 5\nkey  6 \nkey\t7\n", "a 1\na 2\na x\n", "a 1 2\na:b 3\r\n", b"\xff 1\n\0 2\0\n", "some avg10=0.00 total=5\n"])
each("pid_text", [
    "42", "42\n", " 42\r\n", "1", "0\n", "-42", "+42", "42 43", "42x", "0x2a", "2147483647", "2147483648", "00042",
    "99999999999999999999", b"42\0", "1\n300\n2\n", "7 8 ", "0\n5\nx\n6y\n-7\n8", "\t\n 9\v10"])
each("process_status", [
    "Name:\tsh\nNStgid:\t4711\t1\nNSpid:\t4711\t1\nNSpgid:\t4711\t1\n", "NSpid:\t4711\n", "NSpid:\t1", "NSpid:\t7\t2\t1\nNSpid:\t7\t2\n",
    "Name:\tNSpid:\t1\nNSpid:\t7\n", "Name:\ta\\nNSpid:\t1\n", "NSpid:\n\t1\n", "NSpid:\t7\t11\n", "NSpid:\t7 1\r\n", b"NSpid:\t7\t1\0\n",
    "MAJOR=254\nMINOR=1\nDEVNAME=vda1\nPARTNAME=DEVNAME=sda\n", "\nNSpid\n:\t1", "NSpid:\t+1\t1", "NSpid:NSpid:\t1"])
each("utf8", [
    "plain", "\u00e4\u20ac\U0001f600" * 3, "\x7f\u0080\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff", b"a\0b",
    b"\x80", b"a\xbfz", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xed\xa0\x80\xed\xb0\x80", b"\xf0\x8f\xbf\xbf",
    b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfe\xff", b"\xe2\x82\xe2\x82\xac", b"\xc3\xf0\x9f\x98"])

# --- image ----------------------------------------------------------------------------------------
each("reference", [
    "nginx", "nginx:1.25", "library/nginx", "docker.io/library/nginx:latest", "localhost/x",
    "localhost:5000/a/b_c/d-e/f__g:v1.2.3-rc_4", "[::1]:5000/x@" + SHA, "quay.io/a/b:tag@" + SHA512,
    "registry.k8s.io/pause:3.10", "index.docker.io/nginx", "NGINX", "a//b", "a/../b", "/a", "a/", ":x",
    "a:" + "t" * 129, "a" * 300, "x@sha256:short", "x@md5:" + "0" * 32, "a:b:c", "a@b@" + SHA,
    "[::1/x", "http://x/y", "0123456789abcdef" * 4, "ex\u00e4mple.org/x", "a b", "a:5000/b", "a.b:x/c"])

descriptor = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": SHA, "size": 1234}
config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": SHA2, "size": 7}
manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": [descriptor, dict(descriptor, size=0)]}
index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
    dict(descriptor, platform={"os": "linux", "architecture": "amd64"}),
    dict(descriptor, platform={"os": "linux", "architecture": "arm64", "variant": "v8"}),
    dict(descriptor, platform={"os": "unknown", "architecture": "unknown"},
         annotations={"vnd.docker.reference.type": "attestation-manifest"})]}
seed("manifest", "oci", manifest)
seed("manifest", "index", index)
seed("manifest", "docker", dict(
    manifest, mediaType="application/vnd.docker.distribution.manifest.v2+json"))
seed("manifest", "schema1", {"schemaVersion": 1, "name": "x", "fsLayers": [{"blobSum": SHA}]})
seed("manifest", "artifact", dict(manifest, artifactType="application/x",
                                  config=dict(config, mediaType="application/vnd.oci.empty.v1+json")))
seed("manifest", "negative_size", dict(manifest, layers=[dict(descriptor, size=-1)]))
seed("manifest", "huge_size", dict(manifest, layers=[dict(descriptor, size=2**64 - 1)]))
seed("manifest", "float_size", dict(manifest, layers=[dict(descriptor, size=1e300)]))
seed("manifest", "bad_digest", dict(manifest, config=dict(config, digest="sha256:../../etc")))
seed("manifest", "types", {"schemaVersion": "2", "config": [], "layers": {"a": None}})
seed("manifest", "html", "<!DOCTYPE html><html></html>")
seed("manifest", "urls", dict(manifest, layers=[dict(descriptor, urls=["http://x"], data="aGk=")]))

image_config = {
    "os": "linux", "architecture": "amd64", "created": "2026-01-02T03:04:05Z",
    "config": {"User": "1000:1000", "Env": ["PATH=/bin", "X="], "Entrypoint": ["/init"],
               "Cmd": ["a", "b"], "WorkingDir": "/w", "StopSignal": "SIGTERM", "Labels": {"a": "b"},
               "Volumes": {"/data": {}}, "ExposedPorts": {"80/tcp": {}}},
    "rootfs": {"type": "layers", "diff_ids": [SHA, SHA2]}, "history": [{"created_by": "x"}]}
seed("image_config", "full", image_config)
seed("image_config", "small", {"rootfs": {"type": "layers", "diff_ids": []}})
seed("image_config", "nulls", {"os": None, "config": None, "rootfs": {"diff_ids": None}})
seed("image_config", "sha512", {"rootfs": {"diff_ids": [SHA512]}})
seed("image_config", "types", {"config": {"Env": "PATH=/bin", "Volumes": []}, "rootfs": []})
seed("image_config", "not_utf8", b'{"config":{"User":"\xff\xfe","Labels":{"\xc0\xaf":"\x80"}},'
                                 b'"rootfs":{"diff_ids":[]}}')
seed("image_config", "surrogate", '{"config":{"User":"\\ud800"},"rootfs":{"diff_ids":[]}}')

each("auth_challenge", [
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="a:b:pull"',
    "Basic realm=x", "Basic", 'Digest realm="a\\"b", nonce=1, Bearer realm="x"', 'Bearer realm="open',
    "Bearer realm=,service=,,", 'Negotiate abc==, Basic realm="z"', ", ,", "Bearer =x", '"', "a=b",
    'Bearer realm = "x" , service= y'])

each("registry_error", [
    {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown", "detail": {"Tag": "x"}}]},
    {"errors": [{"code": "TOOMANYREQUESTS"}, {"code": "DENIED", "message": "second"}]}, {"errors": []},
    {"errors": [{"code": "A\r\nSet-Cookie: x", "message": "\u001b[2J\u202e\u00e4" * 100}]}, {"errors": [1, None]},
    {"errors": [{"code": 1, "message": []}]}, {"errors": {"code": "X"}}, {"errors": [{"code": "", "message": ""}]},
    "<html>502 Bad Gateway</html>", b'{"errors":[{"code":"\xff","message":"x"}]}',
    '{"errors":[{"message":"\\u0000\\ud800"}]}', '{"errors":' + "[" * 100, "null"])
each("token_answer", [
    {"token": "abc.def-_~+/=", "expires_in": 300, "issued_at": "2026-01-02T03:04:05Z"}, {"access_token": "t"},
    {"token": "", "access_token": "second"}, {"token": None, "access_token": "x"}, {"token": "a", "access_token": 1},
    {"token": "a\r\nHost: b"}, {"token": "a b"}, {"token": "\u00e4"}, {"token": "\u0000"}, {"token": '"\\'},
    {"token": 1}, {"token": ["a"]}, {}, [], "", "token=abc", '{"token":"a","token":"b"}', '{"token":"x"} {"token":"y"}'])
each("retry_after", [
    "0", "1", "86400", "999999999", "1000000000", "99999999999999999999", "-1", "+1", " 1", "1.5", "0x10", "00000001",
    "Mon, 24 Nov 2025 16:01:00 GMT", "Mon, 24 Nov 2025 15:59:59 GMT", "Tue, 25 Nov 2025 16:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "Mon, 31 Feb 2026 24:61:61 GMT",
    "Mon, 24 Nov 2025 16:01:00 UTC", "Mon, 24 Nov 2025 16:01:00 GMT ", b"Mon, 24 Nov 2025 16:01:00 GMT\0x", b"1\0",
    "Monday, 24-Nov-25 16:01:00 GMT", "Mon Nov 24 16:01:00 2025", "Mon, 24 Nov 99999 16:01:00 GMT"])
each("redirects", ["\n".join(lines) for lines in [
    ["https://r.io/v2/a/blobs/x", "https://cdn.io/x?sig=secret", "https://r.io/v2/a/blobs/x"],
    ["http://r.io/v2/", "/v2/a", "../b", "//r.io:80/c", "http://R.IO/d", "https://r.io/e", "http://r.io/f"],
    ["https://r.io", "http://r.io/"], ["http://127.0.0.1:5000/v2/", "http://2130706433:5000/", "http://127.1:5000/"],
    ["http://[::1]:5000/", "http://[0:0::1]:5000/", "http://[::1%25lo]:5000/"], ["http://r.io", "file:///etc/passwd"],
    ["https://u:p@r.io/?q#f", "https://r.io@evil.io/", "https://evil.io\\@r.io/", "https://r.io#@evil.io/"],
    ["https:///u:p@r.io/a@b", "https:/u:p@r.io/", "https:////r.io"], ["http://r%2eio/", "http://r.io/", "http://r%00.io"],
    ["http://r.io:80", "http://r.io:080/", "http://r.io:/", "http://r.io:99999/"], ["http://r.io", " http://r.io/ x"],
    ["http://r.io/", "HTTP://r.io/", "hTTps://r.io", "gopher://r.io", "r.io/x", "?q", "#f", "http://"]]])
each("header_lines", ["HTTP/1.1 %s\r\n" % "\r\n".join(lines) for lines in [
    ["200 OK", "Content-Type: a/b; c=\"d: e\"", "Docker-Content-Digest:" + SHA, "X-Empty:", "", ""],
    ["100 Continue", "A: 1", "", "HTTP/1.1 302 Found", "LOCATION : x", "Location: https://r.io/", "location: second", "", ""],
    ["200 Connection established", "", "HTTP/1.0 401 x", "WWW-Authenticate: Basic realm=\"a\"", "www-authenticate:\tBearer x ", ""],
    ["200 OK", "Transfer-Encoding: chunked", "", "Location: trailer", "HTTP/1.1: trailer", "", "HTTP/2 204 ", "b: 1", ""],
    ["200 OK", "a: 1", " location: folded", "\tb: c", "HTTP/1.1 404 no status", "HTTP/1.1: x", "", ""],
    ["200 OK", "no colon", ": no name", " : ", ":", "a:b:c", "\rlocation: x", "a\rb: c\rd", ""], ["200 OK\na: 1\nb:2\n\nc: 3\n"], [""],
    ["200 OK", "n: \0\0", "\u00c4: \u00e4", "\x7f\x0b: \x0c x \x0b", ""]]] + ["location: x\r\n\r\nHTTP/1.1 200 OK\r\na: b", "HTTP/", "ICY 200 OK\r\na: 1\r\n"])
seed("header_lines", "too_many", "HTTP/1.1 200 OK\r\n" + "a:\r\n" * 600)
each("content_range", [
    "bytes 0-8388607/268435456", "bytes 7-9/*", "bytes */10", "bytes 9-7/10", "bytes 0-10/10", "bytes 1-",
    "Bytes 0-0/1", "bytes -1-2/3", "bytes 0-99999999999999999999/*", "items 0-1/2", "bytes 1-2/3, bytes 4-5/6"])

request = {"type": "request", "version": 5, "operation": "pull", "reference": "docker.io/library/x:y",
           "endpoints": [{"url": "https://r", "repository": "x", "headers": {"a": "b"}, "ca_files": ["c"],
                          "resolve": True, "pull": True, "auth": {"username": "u", "password": "p"}}],
           "os": "linux", "architecture": "amd64", "layers_dir": "/l", "tmp_dir": "/t",
           "parallel_layers": 3, "parallel_ranges": 4, "stall_seconds": 60}
layer = {"type": "layer", "layer": 1, "dir": "l1", "size": 10, "inodes": 2, "tied": True, "have": True,
         "key": "k", "opaque_root": False, "received": 5}
image = {"type": "image", "id": SHA, "dir": "i", "names": ["a:b"], "resolved_digest": SHA,
         "content_bytes": 1, "config": {"user": "0", "env": [], "volumes": ["/v"], "labels": {"a": "b"}}}
seed("puller_message", "request", request)
seed("puller_message", "import", dict(request, operation="import", path="/a.tar", name="x"))
seed("puller_message", "version", dict(request, version=99))
seed("puller_message", "numbers", dict(request, parallel_layers=2**63, parallel_ranges=-1, stall_seconds=-(2**63)))
seed("puller_message", "layer", layer)
seed("puller_message", "layer_bad", dict(layer, layer=-1, size=2**64))
seed("puller_message", "image", image)
seed("puller_message", "error", {"type": "error", "code": 5, "message": "no such image"})
seed("puller_message", "error_bad", {"type": "error", "code": "5", "message": 1})
seed("puller_message", "endpoints_object", dict(request, endpoints={"a": {}, "b": []}))
seed("puller_message", "checked", {"type": "checked", "key": "ab", "has_record": True,
                                   "difference_count": 2, "differences": ["a: gone", "b"]})
seed("puller_message", "signatures", dict(request, signatures={
    "origin": "p.json: quay.io", "lookaside": "https://l", "attachments": True, "requirements": [
        {"sigstore": False, "keys": ["mQ=="], "identity": {"type": "matchRepository"}},
        {"sigstore": True, "keys": ["YQ=="], "identity": {
            "type": "remapIdentity", "prefix": "a/b", "signedPrefix": "c"}}]}))
titled = [dict(descriptor, annotations={"org.opencontainers.image.title": title})
          for title in ("model.bin", "docs/a", "../x", "docs")]
artifact = dict(manifest, config=dict(config, mediaType="application/vnd.oci.empty.v1+json"))
seed("manifest", "artifact_files", dict(artifact, layers=titled[:2] + [descriptor]))
seed("manifest", "artifact_escape", dict(artifact, layers=titled[2:3]))
seed("manifest", "artifact_conflict", dict(artifact, layers=titled[1:]))

each("toml", [
    "", "a = 1\n[b]\nx = true\n[a.c]\ny = [\"1\", {z = 1979-05-27}]\n", "a = \n", "a = 1\na = 2\n",
    "[[r]]\nx = 'l'\n[[r]]\n", "a = \"\"\"\nb\n\"\"\"\n", "a.b.c = 1.5\n", "a = [" * 40, b"a = \"\xff\"",
    "\ufeffa = 0xff\n", "a = {b = {c = []}}\n", "# only\n",
    "[%", "[[[", "[a.%]", "\ufe96a0= 5xff\n"])
each("registries_conf", [
    'unqualified-search-registries = ["docker.io", "quay.io"]\nshort-name-mode = "enforcing"\n',
    '[[registry]]\nprefix = "quay.io/team"\nlocation = "m:5000/x"\ninsecure = true\n'
    '[[registry.mirror]]\nlocation = "m2"\npull-from-mirror = "digest-only"\n',
    '[[registry]]\nprefix = "*.example.com"\nblocked = true\n', '[aliases]\n"app" = "quay.io/team/app"\n',
    '[registries.search]\nregistries = ["a"]\n[registries.block]\nregistries = ["b"]\n',
    "[[registry]]\n", '[[registry]]\nlocation = 5\n', "unqualified-search-registries = 1\n",
    '[[registry]]\nprefix = ""\nlocation = ""\n'])
each("hosts_toml", [
    'server = "https://registry-1.docker.io"\n[host."https://mirror:5000"]\ncapabilities = ["pull"]\n',
    '[host."http://m/v2/x"]\noverride_path = true\nskip_verify = true\nca = ["a.pem", "/b.pem"]\n'
    'client = [["c", "k"]]\n[host."http://m/v2/x".header]\nx-a = ["b", "c"]\n',
    '[host."mirror"]\n', 'server = "ftp://x"\n', 'client = "c"\n', '[host]\n', '[host.""]\n',
    '[host."https://a/"]\ncapabilities = ["push", "fly"]\n'])
each("credential_file", [
    {"auths": {"quay.io/team": {"auth": "dTpw"}, "https://index.docker.io/v1/": {
        "username": "u", "password": "p", "identitytoken": "t"}}},
    {"auths": {"localhost:5000": {"registrytoken": "t"}, "x": {}}}, {"auths": []}, {"auths": {"x": 1}},
    {"auths": {"x": {"auth": "?"}}}, {"auths": {"x": {"auth": "dQ=="}}}, {"credHelpers": {"x": "y"}}, "{"])
each("pinned_images", ["registry.k8s.io/pause:3.10\nquay.io/*\n*pause*\n", "*", "**\n***\n", "a b\n",
                       "x\n\n*x\n", "nginx"])
each("tree_record", [
    "crisp-tree 1\n", b"a\0f 0755 0:0 1 1700000000.0\0", b"\0\0\0", b"\x28\xb5\x2f\xfd\x00", "x" * 5000,
    b"b\0d 0755 0:0 1.0\0a\0d 0755 0:0 1.0\0"])
accept = {"type": "insecureAcceptAnything"}
gpg = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k",
       "signedIdentity": {"type": "remapIdentity", "prefix": "quay.io/team", "signedPrefix": "a.example"}}
sigstore = {"type": "sigstoreSigned", "keyDatas": ["YQ=="],
            "signedIdentity": {"type": "exactReference", "dockerReference": "docker.io/library/x:latest"}}
each("signature_policy", [
    {"default": [accept]},
    {"default": [{"type": "reject"}], "transports": {"docker": {
        "quay.io": [gpg, sigstore], "*.example.com": [accept], "docker.io/library/x:latest": [sigstore],
        "": [dict(gpg, signedIdentity={"type": "matchExact"})]}, "docker-daemon": {"": [accept]}}},
    {"default": [{"type": "sigstoreSigned", "fulcio": {}, "rekorPublicKeyPath": "/r"}]},
    {"default": [dict(gpg, keyData="YQ==")]}, {"default": [dict(gpg, keyPath="k")]}, {"default": []}, {},
    {"default": [accept], "transports": {"docker": {"a*b": [accept]}}},
    {"default": [accept], "transports": {"": {"x": [accept]}}},
    '{"default":[{"type":"reject","type":"insecureAcceptAnything"}]}',
    {"default": [dict(sigstore, signedIdentity={"type": "exactRepository", "dockerRepository": "a:b"})]}])
claim = {"critical": {"type": "atomic container signature", "image": {"docker-manifest-digest": SHA},
                      "identity": {"docker-reference": "quay.io/team/app:1"}},
         "optional": {"creator": "x", "timestamp": 1}}
each("signed_claim", [
    claim, dict(claim, critical=dict(claim["critical"], type="cosign container image signature")),
    dict(claim, more=1), dict(claim, critical={}), dict(claim, optional=None), {"critical": 1},
    json.dumps(claim).replace('"critical"', '"critical": {}, "critical"', 1)])
each("signing_keys", [
    "-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: x\n\nZm9v\nYmFy\n=abcd\n"
    "-----END PGP PUBLIC KEY BLOCK-----\n", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nZm9v", b"\x99\x01",
    "[GNUPG:] NEWSIG\n[GNUPG:] PLAINTEXT 62 1 \n[GNUPG:] GOODSIG 1 x\n[GNUPG:] VALIDSIG 2\n",
    "[GNUPG:] NEWSIG\n[GNUPG:] BADSIG 1 x\n", "[GNUPG:]", "Zm9vYg==",
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE4EL9YGn8tVoDYj+4bUIQLDELNhHT\n"
    "cbM8Na+bv4uNlmPpT0HpfCQUhqUSWe9IGTg4vnI/ZcH+TQMNcQCUbMBkkg==\n-----END PUBLIC KEY-----\n",
    "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n"])


# What skopeo has made for the unit tests is the seed of what is in annotations.
SKOPEO = {name: "".join(re.findall(r'"(.*)"', text)).replace("\\n", "\n") for name, text in re.findall(
    r"char (kSkopeo\w+)\[\] =(.*?);", (HERE / "../unit/image/skopeo_layer.h").read_text(), re.S)}
jwe = json.loads(base64.b64decode(SKOPEO["kSkopeoJwe"]))
flat = {k: jwe[k] for k in ("iv", "ciphertext", "tag", "encrypted_key")}


def b64url(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


each("jwe", [
    jwe, dict(flat, protected=b64url('{"alg":"RSA-OAEP-256","enc":"A128GCM"}')),
    dict(flat, unprotected={"enc": "A192GCM"}, header={"alg": "ECDH-ES+A128KW", "apu": "QQ", "apv": "Qg",
         "epk": jwe["recipients"][1]["header"]["epk"]}),
    dict(flat, aad="QQ", protected=b64url('{"enc":"A256GCM","zip":"DEF","kid":"x"}')),
    dict(flat, protected=b64url('{"enc":"A256GCM"}'), unprotected={"enc": 1}, recipients=[{}, None, 1]),
    dict(flat, protected="*"), {"recipients": [{}] * 70, "unprotected": {"enc": "A256GCM"}}, [], "{"])
envelope = base64.b64decode(SKOPEO["kSkopeoPkcs7"])
each("pkcs7_envelope", [
    envelope, envelope + b"x", envelope.replace(b"\x01\x07\x03", b"\x01\x07\x01"), envelope[:30],
    envelope.replace(b"\x84\x0c", b"\x04\x0c"), b"\x30\x80\x00\x00", b"\x30\x84\xff\xff\xff\xff"])
public = SKOPEO["kSkopeoPublic"]
each("layer_annotations", [
    "\n".join([SKOPEO["kSkopeoJwe"], SKOPEO["kSkopeoPkcs7"], public]),
    "\n".join([SKOPEO["kSkopeoJwe"] + "," + SKOPEO["kSkopeoJwe"], "", public]),
    "\n".join(["", SKOPEO["kSkopeoPkcs7"] + ",", public]), "\n\n" + public, "e30=\n\ne30=", "*\n*\n*"])
options = {"symkey": "A" * 43 + "=", "digest": SHA, "cipheroptions": {"nonce": "A" * 22 + "=="}}
each("wrapped_options", [
    options, dict(options, symkey="QQ=="), dict(options, cipheroptions={}), dict(options, cipheroptions=1),
    dict(options, symkey=["x"]), [], "{", "\"\\ud800\""])


def frame(text, size=None):
    return struct.pack("<I", len(text) if size is None else size) + text


seed("puller_frames", "two", frame(b'{"type":"done"}') + frame(b"[1,2]"))
seed("puller_frames", "cut", frame(b'{"type":"done"}', 100))
seed("puller_frames", "huge", frame(b"{}", 0xffffffff))
seed("puller_frames", "empty", frame(b""))
seed("puller_frames", "no_json", frame(b"hello"))


# --- layers ---------------------------------------------------------------------------------------
def tar_header(path=b"a", kind=b"0", size=0, link=b"", mode=b"0000644", magic=b"ustar\x0000",
               prefix=b"", size_field=None, major=b"0000000", mtime=b"14524770000"):
    block = bytearray(512)
    fields = [(0, path[:100]), (100, mode + b"\0"), (108, b"0001750\0"), (116, b"0001750\0"),
              (124, size_field or b"%011o\0" % size), (136, mtime + b"\0"), (156, kind),
              (157, link[:100]), (257, magic), (329, major + b"\0"), (337, b"0000000\0"), (345, prefix)]
    for at, value in fields:
        block[at:at + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def tar_item(data=b"", **header):
    return tar_header(size=len(data), **header) + data + b"\0" * (-len(data) % 512)


def pax_record(key, value):
    body = key + b"=" + value + b"\n"
    size = len(body) + 2
    while size != len(b"%d " % size) + len(body):
        size = len(b"%d " % size) + len(body)
    return b"%d " % size + body


def pax(**records):
    return b"".join(pax_record(k.replace("__", ".").encode(), v) for k, v in records.items())


END = b"\0" * 1024


def archive(**files):
    """A tar of these; "__" in a name is "/"."""
    return b"".join(tar_item(data if isinstance(data, bytes) else json.dumps(data).encode(),
                             path=name.replace("__", "/").replace("_dot_", ".").encode())
                    for name, data in files.items()) + END


inner_layer = tar_item(b"hello", path=b"f") + END
inner_config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {
    "type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(inner_layer).hexdigest()]}}).encode()
inner_manifest = json.dumps({"schemaVersion": 2, "config": oci_descriptor(
    "application/vnd.oci.image.config.v1+json", inner_config), "layers": [oci_descriptor(
        "application/vnd.oci.image.layer.v1.tar", inner_layer)]}).encode()
inner_index = {"schemaVersion": 2, "manifests": [dict(
    oci_descriptor("application/vnd.oci.image.manifest.v1+json", inner_manifest),
    annotations={"org.opencontainers.image.ref.name": "app:v1"})]}
layout = {"blobs__sha256__" + hashlib.sha256(blob).hexdigest(): blob
          for blob in (inner_config, inner_manifest, inner_layer)}
seed("image_archive", "oci", archive(**{"oci-layout": {"imageLayoutVersion": "1.0.0"},
                                        "index_dot_json": inner_index}, **layout))
docker = {"Config": "c.json", "RepoTags": ["app:v1"], "Layers": ["l/layer.tar", "m/layer.tar"]}
docker_config = json.loads(inner_config)
docker_config["rootfs"]["diff_ids"] *= 2
docker_files = {"manifest_dot_json": [docker], "c_dot_json": docker_config,
                "l__layer_dot_tar": inner_layer}
second = tar_item(path=b"m/layer.tar", kind=b"2", link=b"../l/layer.tar")
seed("image_archive", "docker", second + archive(**docker_files))
seed("image_archive", "docker_gzip", gzip.compress(second + archive(**docker_files), mtime=0))
seed("image_archive", "loop", tar_item(path=b"m/layer.tar", kind=b"2", link=b"../m/layer.tar") +
     archive(**docker_files))
seed("image_archive", "out", tar_item(path=b"m/layer.tar", kind=b"2", link=b"../../../etc/passwd") +
     archive(**docker_files))
seed("tar", "files", tar_item(path=b"d/", kind=b"5", mode=b"0000755") + tar_item(b"hello", path=b"d/f") +
     tar_item(path=b"l", kind=b"2", link=b"d/f") + tar_item(path=b"h", kind=b"1", link=b"d/f") +
     tar_item(path=b"fifo", kind=b"6") + tar_item(path=b"dev", kind=b"3", major=b"0000001") + END)
seed("tar", "pax", tar_item(pax(path=b"long/" * 30 + b"x", mtime=b"1700000000.123456789", uid=b"1000",
                                SCHILY__xattr__user__a=b"\0\xff"), kind=b"x") +
     tar_item(b"data", path=b"short") + END)
seed("tar", "global_pax", tar_item(pax(comment=b"hi"), kind=b"g") + tar_item(path=b"f") + END)
seed("tar", "gnu_long", tar_item(b"n" * 150 + b"\0", kind=b"L", path=b"././@LongLink") +
     tar_item(b"t" * 150 + b"\0", kind=b"K", path=b"././@LongLink") +
     tar_item(path=b"n", kind=b"2", link=b"t", magic=b"ustar  \0") + END)
seed("tar", "base256", tar_item(path=b"f") + tar_header(path=b"big", size_field=b"\x80" + b"\0" * 9 +
                                                        b"\x02\0") + b"x" * 512 + END)
seed("tar", "base256_negative", tar_header(path=b"n", size_field=b"\xff" * 12) + END)
seed("tar", "huge", tar_header(path=b"h", size_field=b"77777777777\0") + END)
seed("tar", "escape", tar_item(b"x", path=b"../../etc/passwd") + tar_item(path=b"/abs/./x/../y") +
     tar_item(path=b"a\nb") + END)
seed("tar", "whiteouts", tar_item(path=b"d/.wh.gone") + tar_item(path=b"d/.wh..wh..opq") +
     tar_item(path=b".wh.") + tar_item(path=b".wh...") + tar_item(path=b".wh..wh.plnk") + END)
seed("tar", "sparse_pax01", tar_item(pax(GNU__sparse__major=b"0", GNU__sparse__minor=b"1",
                                         GNU__sparse__name=b"s", GNU__sparse__realsize=b"4096",
                                         GNU__sparse__map=b"0,4,1024,4"), kind=b"x") +
     tar_item(b"aaaabbbb", path=b"s") + END)
seed("tar", "sparse_pax10", tar_item(pax(GNU__sparse__major=b"1", GNU__sparse__minor=b"0",
                                         GNU__sparse__name=b"s", GNU__sparse__realsize=b"100000"),
                                     kind=b"x") +
     tar_item(b"2\n0\n4\n99996\n4\n".ljust(512, b"\0") + b"aaaabbbb", path=b"GNUSparseFile.0/s") + END)
gnu = bytearray(tar_header(path=b"s", kind=b"S", size=8, magic=b"ustar  \0"))
gnu[345:] = b"\0" * 167
for at, value in [(386, b"00000000000\0" b"00000000004\0"), (410, b"00000001000\0" b"00000000004\0"),
                  (483, b"00000002000\0")]:
    gnu[at:at + len(value)] = value
gnu[148:156] = b" " * 8
gnu[148:156] = b"%06o\0 " % sum(gnu)
seed("tar", "sparse_gnu", bytes(gnu) + b"aaaabbbb".ljust(512, b"\0") + END)
seed("tar", "sparse_overlap", tar_item(pax(GNU__sparse__map=b"0,10,5,10", GNU__sparse__size=b"20"),
                                       kind=b"x") + tar_item(b"x" * 20, path=b"s") + END)
seed("tar", "pax_size", tar_item(pax(size=b"3"), kind=b"x") + tar_header(path=b"f") +
     b"abc".ljust(512, b"\0") + END)
seed("tar", "pax_size_max", tar_item(pax(size=b"9223372036854775807"), kind=b"x") + tar_header() + END)
seed("tar", "bad_sum", tar_item(path=b"x").replace(b"0001750", b"0001751", 1) + END)
seed("tar", "cut_data", tar_item(b"x" * 600, path=b"f")[:700])
seed("tar", "v7", tar_item(b"old", path=b"f", kind=b"\0", magic=b"\0" * 8) + END)
seed("tar", "prefix", tar_item(path=b"name", prefix=b"some/prefix") + END)

each("pax", [
    pax(path=b"a/b", linkpath=b"c", size=b"12", mtime=b"-1.5"), pax(mtime=b"1.9999999999"), pax(uid=b""),
    pax(SCHILY__xattr__security__capability=b"\1\0\0\2\0\x20\0\0", LIBARCHIVE__xattr__user__x=b"YQ=="),
    pax(GNU__sparse__numblocks=b"2", GNU__sparse__offset=b"0"), b"5 a=b\n", b"6 a=b\n", b"0 a=b\n",
    b"99999999999999999999 a=b\n", b"-6 a=b\n", b"7 a=b\n\n", b"6 =bb\n", b"5 abc\n", b" 6 a=b\n",
    b"6\ta=b\n", pax(GNU__sparse__map=b"1,2,3"), pax(GNU__sparse__map=b"9223372036854775807,1"),
    pax(size=b"-1"), pax(path=b"a\0b"), pax(hdrcharset=b"BINARY"), pax(SCHILY__xattr__=b"x")])
each("layer_path", [
    "a/b/c", "./a//b/./c/", "/", "", ".", "..", "a/..", "../x", "a/...", "a/" + "n" * 255,
    "n" * 256, "d/" * 2047 + "x", "d/" * 2050, b"a\0b", ".wh.x", ".wh.", ".wh..", ".wh...", "a/.wh..wh..opq",
    ".wh..wh..opq", ".wh..wh.aufs", ".wh..wh.plnk", ".wh.a/b", b"\xff\n\t\x1b[31m", "a/.wh..wh..opq/b"])

text = b"".join(b"%d," % (i * 7919 % 1009) for i in range(300))
packed = gzip.compress(text, mtime=0)


def zstd(*blocks, last=True, content_size=None):
    """A frame of raw blocks (RFC 8878, section 3.1.1)."""
    size = content_size if content_size is not None else sum(len(b) for b in blocks)
    out = b"\x28\xb5\x2f\xfd" + b"\xa0" + struct.pack("<I", size)  # single segment, 4-byte size
    for i, block in enumerate(blocks):
        head = len(block) << 3 | (1 if last and i == len(blocks) - 1 else 0)
        out += struct.pack("<I", head)[:3] + block
    return out


rle = b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", 100000) + struct.pack("<I", 100000 << 3 | 3)[:3] + b"r"
seed("decompress", "gzip", packed)
seed("decompress", "gzip_two", packed + gzip.compress(b"tail", mtime=0))
seed("decompress", "gzip_padded", packed + b"\0" * 100)
seed("decompress", "gzip_garbage", packed + b"garbage")
seed("decompress", "gzip_cut", packed[:-5])
seed("decompress", "gzip_crc", packed[:-8] + b"\0\0\0\0" + packed[-4:])
seed("decompress", "gzip_name", b"\x1f\x8b\x08\x1c\0\0\0\0\0\3\4\0ab\1\2name\0comment\0" + packed[10:])
seed("decompress", "gzip_empty", gzip.compress(b"", mtime=0))
seed("decompress", "gzip_stored", gzip.compress(b"stored", 0, mtime=0))
seed("decompress", "gzip_zeros", gzip.compress(b"\0" * 200000, mtime=0))
seed("decompress", "zstd", zstd(b"hello ", b"world"))
seed("decompress", "zstd_two", zstd(b"one") + zstd(b"two"))
seed("decompress", "zstd_skippable", b"\x50\x2a\x4d\x18\x03\0\0\0abc" + zstd(b"x"))
seed("decompress", "zstd_rle", rle)
seed("decompress", "zstd_cut", zstd(b"hello", last=False))
seed("decompress", "zstd_size", zstd(b"hello", content_size=77))
seed("decompress", "plain", b"just bytes, no magic")
seed("decompress", "plain_short", b"\x1f\x8b")
seed("decompress", "zlib", zlib.compress(text))

# --- oci ------------------------------------------------------------------------------------------
state = {"ociVersion": "1.0.2", "id": "x", "pid": 123, "status": "running", "bundle": "/b", "owner": ""}
seed("runtime_state", "state", state)
seed("runtime_state", "no_pid", {"status": "stopped"})
seed("runtime_state", "pid_negative", dict(state, pid=-1))
seed("runtime_state", "pid_huge", dict(state, pid=2**40))
seed("runtime_state", "pid_float", dict(state, pid=1.5))
seed("runtime_state", "pid_text", dict(state, pid="1"))
seed("runtime_state", "array", [])
seed("runtime_state", "features", {"mountOptions": ["ro", "idmap"], "linux": {"mountExtensions": {
    "idmap": {"enabled": True}}}})
seed("runtime_state", "features_odd", {"mountOptions": "ro", "linux": [1, {"mountExtensions": 3}]})
seed("runtime_state", "runc", "runc version 1.1.5+ds1\ncommit: 1.1.5\nspec: 1.0.2-dev\n")
seed("runtime_state", "crun", "crun version 1.8.1\ncommit: f8a096be\n")
seed("runtime_state", "version_nameless", "  version 5")
seed("runtime_state", "version_odd", "x version 99999999999999999999.1..2")

each("runtime_errors", [
    '{"level":"error","msg":"container does not exist","time":"2026-01-02T03:04:05Z"}\n',
    'time="2026-01-02T03:04:05Z" level=error msg="runc create failed: unable to start \\"x\\"\\n"\n',
    'time="2026" level=warning msg=x\nplain last line\n', '{"msg":"one"}\n{"level":"info","msg":"two"}',
    '{"level":"error","msg":42}', "error opening file `/status`: No such file or directory", '{"msg":"',
    'time= msg="\\', b"\xff\xfe\0 level=error msg=\x80", "\n\n\n", '{"level":"error","msg":"\\u0000"}'])

process = {"terminal": True, "user": {"uid": 1000, "gid": 1000, "additionalGids": [5, 6]},
           "args": ["/bin/sh", "-c", "x"], "env": ["PATH=/bin", "A"], "cwd": "/w", "noNewPrivileges": True,
           "capabilities": {k: ["CAP_CHOWN"] for k in
                            ("bounding", "effective", "permitted", "inheritable", "ambient")},
           "oomScoreAdj": -998, "apparmorProfile": "p", "selinuxLabel": "l", "consoleSize":
           {"height": 24, "width": 80}, "rlimits": [{"type": "RLIMIT_CORE", "hard": 0, "soft": 0}]}
seed("spec_process", "full", {"ociVersion": "1.0.2", "process": process, "root": {"path": "r"}})
seed("spec_process", "empty", {"process": {}})
seed("spec_process", "none", {"root": {}})
seed("spec_process", "types", {"process": {"user": [], "args": "sh", "terminal": 1}})
seed("spec_process", "numbers", {"process": dict(process, user={"uid": -1, "gid": 2**40,
                                                                "additionalGids": [1.5, -2]},
                                                 oomScoreAdj=10**12)})
seed("spec_process", "float", {"process": dict(process, user={"uid": 0, "gid": 0, "additionalGids": [6e35]})})
seed("spec_process", "root_again", {"process": dict(process, user={"uid": 2**32, "gid": 0})})
seed("spec_process", "array", {"process": [1, 2]})
seed("spec_process", "text", {"process": "x"})
seed("spec_process", "nulls", {"process": {"user": None, "args": None, "capabilities": None}})

seed("accounts", "passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:n:/:/bin/false\n")
seed("accounts", "group", "root:x:0:\nwheel:x:10:root,user, other ,,\n")
seed("accounts", "odd", "# comment\n\n:x:0:0::/:\nshort\na:x:-1:0::/\nb:x:4294967295:0::/\n"
     "c:x:4294967294:4294967294\nd:x:0x10:0::/\ne:x: 1:1::/home/e\r\n+:::::\nf:x:00:+1:\n")
seed("accounts", "binary", b"a\0b:x:1:1::/:\n\xff:x:2:2::\xfe:\n")
seed("accounts", "no_newline", "x:y:1:2:g:/h:/s")
seed("accounts", "number", "4294967294")

PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:App:/home/app:/bin/sh\n1234:x:555:556::/numeric:/bin/sh\n"
GROUP = "root:x:0:\napp:x:1000:\nextra:x:50000:app,other\n1000:x:7:app\nstaff:x:50:root,app,root\n"
each("image_user", [f"{user}\n{PASSWD}%\n{GROUP}" for user in (
    "", "app", "1000", "app:staff", "1000:1000", "1234", "app:", ":staff", ":", "0:0:0", "-0", "+1", "4294967295", "4294967294:5",
    "nobody", "app:nothing", "app:x", "\xff", "a\0pp", " app")] + [
        "app", "\n%\n", "5", "x\nx:x:1:2\n%\n%\nx:x:3:x", "x\n" + "x:x:1:2::\n" * 9 + "%\n" + "x:x:3:x,x\n" * 9,
        "x\nx:x:4294967295:0::\nx:x:-1:0::\nx:x:7:8:/home\n%\n"])
each("apparmor_profiles", [
    "deny-write (enforce)\ncrisp-default (enforce)\ncrisp-default//text-0123 (enforce)\n/usr/bin/man (complain)\n",
    "crisp-default\ncrisp-default//a (enforce)\ncrisp-default//a//b (kill)\ncrisp-default//\n//&x (mixed)\n",
    "a (b) (enforce)\nc\n (enforce)\n(enforce)\nd (\ne ()\nf )\n", "a (enforce)", "a (enforce", ":ns://x (unconfined)\n",
    b"\xff\0 (enforce)\n", "a b  (enforce) \n", "a (enforce)\r\n", "\na (enforce)\na (enforce)\n"])

profile = {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "archMap": [
    {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}], "syscalls": [
        {"names": ["read", "write", "no_such_call"], "action": "SCMP_ACT_ALLOW"},
        {"name": "personality", "action": "SCMP_ACT_ALLOW",
         "args": [{"index": 0, "value": 8, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"}]},
        {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "excludes":
         {"caps": ["CAP_BPF"], "arches": ["s390x"], "minKernel": "4.8"}}]}
seed("seccomp", "docker", profile)
seed("seccomp", "oci", {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_AARCH64"],
                        "flags": ["SECCOMP_FILTER_FLAG_LOG"], "listenerPath": "/l",
                        "listenerMetadata": "m", "syscalls": []})
seed("seccomp", "bad_action", dict(profile, defaultAction="SCMP_ACT_DANCE"))
seed("seccomp", "bad_index", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
    {"names": ["read"], "action": "SCMP_ACT_KILL", "args": [{"index": 6, "value": -1, "op": "SCMP_CMP_EQ"}]}]})
seed("seccomp", "numbers", {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 2**40, "syscalls": [
    {"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": -1,
     "args": [{"index": 1.5, "value": 2**64 - 1, "op": "SCMP_CMP_GE"}]}]})
seed("seccomp", "float", {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
    {"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "value": 1.8e19, "op": "SCMP_CMP_GE"}]}]})
listener = {"ociVersion": "1.0.2", "fds": ["seccompFd"], "pid": 7, "metadata": "c1 1 mkdir:13 mount:1",
            "state": {"ociVersion": "1.0.2", "id": "c1", "status": "creating", "pid": 7, "bundle": "/b"}}
seed("seccomp_listener", "full", listener)
seed("seccomp_listener", "no_metadata", {"fds": [], "metadata": 1})
seed("seccomp_listener", "cut", json.dumps(listener)[:100])
each("seccomp_listener", ["c1 1", "c1 1 mkdir:13", "c1", " 1", "c1 1 ", "c1 1  a:1", "c1 4096", "c1 1 :1",
                          "c1 1 a:b:2", "[" * 5000])
seed("seccomp", "types", {"defaultAction": 1, "syscalls": {"a": 1}})
seed("seccomp", "min_kernel", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
    {"names": ["read"], "action": "SCMP_ACT_LOG", "includes": {"minKernel": "x.y"}}]})

edits = {"env": ["A=1"], "additionalGids": [5, 0],
         "deviceNodes": [{"path": "/dev/x", "hostPath": "/dev/y", "type": "c", "major": 1, "minor": 3,
                          "fileMode": 438, "permissions": "rw", "uid": 0, "gid": 44}],
         "mounts": [{"hostPath": "/a", "containerPath": "/b", "type": "none", "options": ["bind", "ro"]}],
         "hooks": [{"hookName": "createContainer", "path": "/h", "args": ["h"], "env": ["K=V"], "timeout": 3}],
         "intelRdt": {"closID": "gold", "l3CacheSchema": "L3:0=f", "schemata": ["MB:0=50"],
                      "enableMonitoring": True},
         "netDevices": [{"hostInterfaceName": "e0", "name": "gpu0"}]}
cdi = {"cdiVersion": "1.1.0", "kind": "vendor.com/gpu", "annotations": {"a": "b"}, "containerEdits": {"env": ["ALL=1"]},
       "devices": [{"name": "0:1", "annotations": {"c": "d"}, "containerEdits": edits}]}
seed("cdi_spec", "full", cdi)
seed("cdi_spec", "old", dict(cdi, cdiVersion="0.3.0"))
seed("cdi_spec", "version", dict(cdi, cdiVersion="1.-1.99999999999"))
seed("cdi_spec", "twice", dict(cdi, devices=cdi["devices"] * 2))
seed("cdi_spec", "numbers", dict(cdi, devices=[{"name": "x", "containerEdits": {
    "deviceNodes": [{"path": "/d", "major": 2**31, "uid": 2**32, "fileMode": -1}]}}]))
seed("cdi_spec", "types", {"cdiVersion": 1, "kind": [], "devices": {}})
seed("cdi_spec", "nulls", dict(cdi, annotations=None, devices=[{"name": "x", "containerEdits": None}]))
seed("cdi_spec", "keys_twice", '{"cdiVersion": "0.6.0", "kind": "a/b", "kind": "a/c", "devices": [{"name": "x"}]}')
each("cdi_names", ["vendor.com/gpu=0", "v/c=a,v/c=b:1", "v/c=", "=x", "v=c", "v/c=x,", ",", "V-1.x/c_d=9.-_z",
                   "v/c=x=y", "v/" + "c" * 64 + "=x", "v" * 254 + "/c=x", "v/c=\u00e4"])
hook_file = {"version": "1.0.0", "hook": {"path": "/h", "args": ["h"], "env": ["K=V"], "timeout": 3},
             "when": {"always": True, "annotations": {"^a\\.b$": ".*"}, "commands": [".*/init$"], "hasBindMounts": True},
             "stages": ["prestart", "poststop"]}
seed("hook_file", "full", hook_file)
seed("hook_file", "old", {"hook": "/h", "stages": ["prestart"], "cmds": [".*"]})
seed("hook_file", "pattern", dict(hook_file, when={"commands": ["(", "[[:x:]]", "a{1,9}{2,99999}", "\\1"]}))
seed("hook_file", "repeats", dict(hook_file, when={"commands": ["((a{30}){30}){30}"]}))
seed("hook_file", "no_when", dict(hook_file, when={}))
seed("hook_file", "stage", dict(hook_file, stages=["later"]))
base = {"process": {"env": ["A=2", "B=3"], "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}], "args": ["x"]},
        "mounts": [{"destination": "/proc"}, {"destination": "/data", "type": "tmpfs"}], "annotations": {"a": "b"},
        "hooks": {"prestart": [{"path": "/i"}]}, "root": {"path": "/r"},
        "linux": {"devices": [{"path": "/dev/x"}], "sysctl": {"a": "b"}, "seccomp": {"defaultAction": "x"},
                  "resources": {"devices": [{"allow": False}, {"allow": True}], "cpu": {"shares": 5}}}}
seed("base_spec", "full", base)
seed("base_spec", "types", {"process": [], "mounts": {}})
seed("base_spec", "hooks", {"hooks": {"prestart": 1}})
seed("base_spec", "mounts", {"mounts": [{"destination": 1}]})
seed("base_spec", "process", {"process": {"user": 5, "env": ["x"]}})
each("lxc_contexts", [
    'process = "system_u:system_r:container_t:s0"\ncontent = "system_u:object_r:virt_var_lib_t:s0"\n'
    'file = "system_u:object_r:container_file_t:s0"\nro_file="system_u:object_r:container_ro_file_t:s0"\n'
    'sandbox_kvm_process = "x"\ninit_process = "system_u:system_r:container_init_t:s0"\n'
    'kvm_process = system_u:system_r:container_kvm_t:s0-s0:c0.c1023\n',
    "process = u:r:t\n", "file = u:r:t:s0:c1,c2\r\n", "process = \"u:r:t:s0\nfile = u:r:t:s0\"\n", "process = u:r::s0\n",
    "process == u:r:t:s0\n", "# process = x\n\n = y\nprocess=\nprocess=\"\"\n", b"process = u:r:t\0:s0\n",
    "SELINUX=enforcing\nSELINUXTYPE=mine\n", "SELINUXTYPE=../../elsewhere\n", "SELINUXTYPE=..\n", "SELINUXTYPE=.",
    "SELINUXTYPE = \"a b\" \n", b"SELINUXTYPE=x\0/../y\n", "process = u:r:t:s0,c1\n", "process = u:r:t:s0:c1.\n",
    "file = " + "u" * 3000 + ":r:t:s0\n"])
seed("base_spec", "pointers", {"linux": {"a/b": {"~": 1}}, "~0": [], "": {"": {}}})
each("status_mask", [
    "Name:\tsh\nCapEff:\t0000000000000020\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000000\n", "CapBnd:\tffffffffffffffff",
    "CapBnd:\t10000000000000000\n", "CapBnd:\t0x1f\n", "CapBnd:\t1f g\n", "CapBnd:\t-1\n", "CapBnd:\n1f\n", "CapBnd: \t 1F \r\n",
    "Name:\tCapBnd:\t1\nCapBnd:\t2\n", "CapBnd:\nCapBnd:\t2\n", b"CapBnd:\t1\0\n", " CapBnd:\t1\n", "CapBnd\n"])

# --- conmon ---------------------------------------------------------------------------------------
def packet(kind, body=b"", request=7, version=1):
    return struct.pack("<HHI", version, kind, request) + body


def words(*texts):
    return b"".join(struct.pack("<I", len(t)) + t for t in texts)


seed("monitor_packet", "hello", packet(1, struct.pack("<HH", 1, 1) + words(b"crispd 0.1.0")))
seed("monitor_packet", "hello_bad", packet(1, struct.pack("<HH", 2, 1) + words(b"x")))
seed("monitor_packet", "resize", packet(3, struct.pack("<HH", 80, 24)))
seed("monitor_packet", "attach", packet(6, b"\7"))
seed("monitor_packet", "attach_bad", packet(6, b"\x08"))
seed("monitor_packet", "stdin", packet(16, b"typed text", request=0))
seed("monitor_packet", "created", packet(96, struct.pack("<IQ", 42, 123456)))
seed("monitor_packet", "created_bad", packet(96, struct.pack("<IQ", 0x80000000, 1)))
seed("monitor_packet", "error", packet(66, struct.pack("<II", 5, 2) + words(b"no such file")))
seed("monitor_packet", "error_length", packet(66, struct.pack("<III", 5, 2, 0xffffffff)))
seed("monitor_packet", "upgrade", packet(8, words(b"/usr/libexec/crisp-monitor")))
seed("monitor_packet", "unsupported", packet(67, struct.pack("<HHH", 9, 1, 1)))
seed("monitor_packet", "status", packet(68, struct.pack("<BBBBIIQQQII", 1, 1, 0, 1, 10, 11, 99, 5, 0, 0, 2) +
                                        words(b"crisp-monitor 0.1.0") + b"from the future"))
seed("monitor_packet", "exit", packet(99, struct.pack("<IIBQ", 137, 9, 1, 1764000000000000000)))
seed("monitor_packet", "exit_range", packet(99, struct.pack("<IIBQ", 256, 0, 0, 1)))
seed("monitor_packet", "short", b"\1\0\1\0\0\0\0")
seed("monitor_files", "exit", "crisp-exit 1\ncode 137\nsignal 9\noom 1\nfinished_at_ns 1764000000000000000\n"
     "end\n")
seed("monitor_files", "exit_later", "crisp-exit 1\ncode 0\nsignal 0\noom 0\nfinished_at_ns 1\nnew field\nend\n"
     "more\n")
seed("monitor_files", "exit_range", "crisp-exit 1\ncode 256\nsignal -1\noom 2\nfinished_at_ns -1\nend\n")
seed("monitor_files", "exit_missing", "crisp-exit 1\ncode 1\nend\n")
seed("monitor_files", "pid", "crisp-pid 1\nmonitor 10 1000\ncontainer 11 1001\nend\n")
seed("monitor_files", "pid_monitor", "crisp-pid 1\nmonitor 10 1000\nend\n")
seed("monitor_files", "pid_bad", "crisp-pid 1\nmonitor 0 x\ncontainer -5 1\nend\n")
seed("monitor_files", "pid_version", "crisp-pid 2\nmonitor 10 1000\nend\n")


def handover(version=1, limit=16384, argv=(b"runc", b"create"), clients=1, pid=42, texts=(b"", b"er", b"")):
    numbers = lambda *v: struct.pack("<%dq" % len(v), *v)
    out = numbers(version) + words(b"id", b"/bundle", b"/state", b"/log", b"") + numbers(limit, 0, 1, 0)
    out += numbers(len(argv)) + words(*argv) + numbers(pid, 1000, 3, 4, 5, 6, -1, 7) + words(*texts)
    out += numbers(0, 100, 0, 0, 9, clients)
    return out + b"".join(numbers(8 + i, 1, 7, 0) for i in range(min(clients, 3)))


seed("handover", "good", handover())
seed("handover", "none", handover(clients=0, argv=()))
seed("handover", "version", handover(version=2))
seed("handover", "limit", handover(limit=-1))
seed("handover", "clients", handover(clients=4000))
seed("handover", "long_line", handover(limit=64, texts=(b"x" * 65, b"", b"")))
seed("handover", "pid", handover(pid=-(2**62)))

def frames(*messages, streams=b"\0"):
    return streams + b"".join(struct.pack("<H", len(m)) + m for m in messages)


failed = struct.pack("<II", 5, 2) + words(b"no such file")
seed("monitor_frames", "session", frames(packet(1, struct.pack("<HH", 1, 1) + words(b"crispd")), packet(6, b"\7", 8),
                                         packet(16, b"typed", 0), packet(3, struct.pack("<HH", 80, 24)), packet(2),
                                         packet(17, b"", 0), packet(7), streams=b"\7"))
seed("monitor_frames", "answers", frames(packet(65), packet(66, failed), packet(97, failed, 0),
                                         packet(66, struct.pack("<II", 0, 0) + words(b"")), packet(66, b"\1")))
seed("monitor_frames", "short", frames(packet(2), b"\1\0\2\0\0\0\0", packet(2), streams=b"\1"))
seed("monitor_frames", "empty", frames(packet(2), b"", packet(2), streams=b"\3"))
seed("monitor_frames", "longest", frames(packet(16, b"x" * 16384), packet(2), streams=b"\1"))
seed("monitor_frames", "too_long", frames(packet(16, b"x" * 16385), packet(2), streams=b"\1"))
seed("monitor_frames", "long_error", frames(packet(66, struct.pack("<II", 16, 0xffffffff) + words(b"e" * 16000))))
seed("attach_messages", "output", frames(packet(112, b"out", 0), packet(113, b"err", 0), packet(65, b"", 3), packet(98, b"", 0),
                                           packet(112, b"", 0), packet(99, b"x" * 17, 0), packet(112, b"late", 0)))
seed("attach_messages", "versions", frames(packet(112, b"a", 9, version=0), packet(113, b"b", 0, version=0xffff), packet(0x7000, b"c")))
for others in (1, 31, 32, 33, 63, 64, 79):
    seed("attach_messages", f"behind_{others}", frames(packet(112, b"x", 0), packet(65), packet(99, b"", 0), streams=bytes([others])))
seed("attach_messages", "short", frames(packet(112, b"x", 0), packet(112)[:7], packet(112)))
seed("attach_messages", "empty", frames(packet(113), b"", packet(113), streams=b"\2"))
seed("attach_messages", "longest", frames(packet(112, b"x" * 16384), packet(113, b"y" * 16384), streams=b"\x21"))
seed("attach_messages", "too_long", frames(packet(112, b"x" * 16385), packet(112)))
each("oom_events", [
    "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    "oom_kill_disable 0\nunder_oom 1\n", "oom_kill 4294967295", "oom_kill 4294967296\n", "oom_kill -1\noom_kill 2\n", "oom_kill\n",
    "oom_kill 1 2\n", " oom_kill 1\n", "oom_kill 5\r\n", b"oom_kill 6\0\n", "x oom_kill 1\n"])
each("runtime_log", [
    '{"level":"warning","msg":"w"}\n{"level":"error","msg":"the \\"cause\\" \\u00e4\\n"}\n',
    '{"msg":"only","level":"info"}', '{"level":"fatal","msg":"' + "long " * 1000 + '"}', "plain\n\ntext \t\n",
    '{"level":"error","msg":"\\ud83d\\ude00\\udc00"}', '{"level":"error","msg":"open', '{"msg":1,"msg":"two"}',
    b'{"level":"error","msg":"\xff\x01"}', '{"a":{"msg":"nested"},"msg":"outer"}', '{"msg":"\\', "\x1b[31mred"])
each("container_output", [
    "hello\nworld\n", "no newline", "\n\n\n", "x" * 64 + "\n", "x" * 65, "x" * 128 + "\n" + "y" * 200,
    b"\0\xff\r\n\x1b[0m", "a" * 63 + "\n" + "b" * 64 + "\n" + "c" * 129 + "\n"])
T = "2026-11-24T10:11:12.123456789Z"
each("cri_log", [
    f"{T} stdout F hello\n{T} stderr P part\n{T} stderr F :rest\n", f"{T} stdout F \n", f"{T} stdout F\n",
    f"{T} stdout P:x F\n", f"{T} stdin F x\n", " stdout F x", f"{T}  stdout F x", "x", f"{T} stdout  x"])

# --- network --------------------------------------------------------------------------------------
bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "ipam":
          {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/16"}]]}}
seed("cni_config", "list", {"cniVersion": "1.0.0", "name": "net", "plugins": [
    bridge, {"type": "portmap", "capabilities": {"portMappings": True, "x": False}}]})
seed("cni_config", "single", dict(bridge, cniVersion="0.4.0", name="one"))
seed("cni_config", "versions", {"cniVersions": ["0.3.1", "1.1.0", "9.9.9"], "name": "n", "disableCheck": True,
                                "plugins": [bridge]})
seed("cni_config", "path", {"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "../../bin/sh"}]})
seed("cni_config", "name", {"cniVersion": "1.0.0", "name": "../x", "plugins": [bridge]})
seed("cni_config", "no_plugins", {"cniVersion": "1.0.0", "name": "n", "plugins": []})
seed("cni_config", "old", {"cniVersion": "0.2.0", "name": "n", "plugins": [bridge]})
seed("cni_config", "types", {"cniVersion": 1, "name": ["n"], "plugins": [{"type": None}]})
seed("cni_config", "twice", '{"name":"a","name":"b","cniVersion":"1.0.0","plugins":[{"type":"x"}]}')
seed("cni_config", "not_utf8", b'{"name":"a","cniVersion":"1.0.0","plugins":[{"type":"x","k":"\xff"}]}')
seed("cni_config", "nul", '{"name":"a","cniVersion":"1.0.0","plugins":[{"type":"x\\u0000/sh"}]}')

result = {"cniVersion": "1.0.0", "interfaces": [{"name": "cni0"}, {"name": "eth0", "sandbox": "/run/ns/x",
                                                                  "mac": "00:11:22:33:44:55"}],
          "ips": [{"address": "10.88.0.5/16", "gateway": "10.88.0.1", "interface": 1},
                  {"address": "fd00::5/64", "interface": 1}], "routes": [{"dst": "0.0.0.0/0"}], "dns": {}}
seed("cni_result", "full", result)
seed("cni_result", "v6_only", {"cniVersion": "1.0.0", "ips": [{"address": "fd00::1/64"}]})
seed("cni_result", "empty", {})
seed("cni_result", "index", dict(result, ips=[{"address": "10.0.0.1/8", "interface": 7}]))
seed("cni_result", "index_odd", dict(result, ips=[{"address": "10.0.0.1/8", "interface": 2**63},
                                                  {"address": "10.0.0.1/8", "interface": -1}]))
seed("cni_result", "address", {"ips": [{"address": "300.1.1.1/8"}]})
seed("cni_result", "address_nul", '{"ips":[{"address":"10.0.0.1\\u0000;x/8"}]}')
seed("cni_result", "types", {"interfaces": {}, "ips": [1, None, []]})
seed("cni_result", "version", {"cniVersion": "0.1.0"})
each("cni_failure", [
    "\n" + json.dumps({"cniVersion": "1.0.0", "code": 3, "msg": "unknown container", "details": "d"}),
    "stderr text\n{\"code\": 11, \"msg\": \"try again\"}", "panic: x\n", "\n", "a\n{\"code\":\"7\",\"msg\":7}",
    "\n{\"code\":1e300,\"msg\":\"m\"}", "\n[]", b"\xff\n{\"msg\":\"\xff\"}", "\n{\"code\":-4294967293}"])
cached = {"crispCniCache": 1, "ifname": "eth0", "netns": "/run/crisp/ns/x/net", "cniArgs": "IgnoreUnknown=1;K=v",
          "capabilities": {"portMappings": [{"hostPort": 80, "containerPort": 8080, "protocol": "tcp"}]},
          "config": {"cniVersion": "1.0.0", "name": "net", "plugins": [bridge]}, "result": result}
seed("attachment_cache", "full", cached)
seed("attachment_cache", "before_add", dict(cached, result=None))
seed("attachment_cache", "version", dict(cached, crispCniCache=2))
seed("attachment_cache", "version_float", dict(cached, crispCniCache=1.0))
seed("attachment_cache", "version_text", dict(cached, crispCniCache="1" * 500))
seed("attachment_cache", "cut", json.dumps(cached)[:200])
seed("attachment_cache", "types", dict(cached, netns=None, cniArgs=[], capabilities=[], result="x"))
seed("attachment_cache", "single", dict(cached, config=dict(bridge, cniVersion="1.0.0", name="one")))
seed("attachment_cache", "numbers", dict(cached, capabilities={"a": [2**64, -2**63, 1e308, -0.0, 5e-324]}))
seed("attachment_cache", "nul", json.dumps(dict(cached, netns="/run/x\0y", cniArgs="K=\0;\u202e")))
seed("attachment_cache", "twice", json.dumps(cached)[:-1] + ', "netns": "/other", "config": {}}')
seed("attachment_cache", "deep", json.dumps(dict(cached, capabilities={"a": "@"})).replace(
    '"@"', "[" * 61 + "]" * 61))
seed("attachment_cache", "too_deep", json.dumps(dict(cached, capabilities={"a": "@"})).replace(
    '"@"', "[" * 63 + "]" * 63))
each("mount_table", [
    "29 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "30 29 0:26 / /proc rw,nosuid master:2 propagate_from:3 - proc proc rw\n",
    "31 29 0:27 / /a\\040b\\011c\\134d rw - tmpfs none rw,size=1k\n", "32 29 0:28 / /x rw\n", "1 2 3 4 5 6 7\n",
    "1 2 3 4 \\ 6 - \\04", "1 2 3 4 \\999\\xyz 6 -\n\n", "a b c d /e f shared:1 shared: master: - x",
    "33 29 0:29 / /name\xff\xfe rw shared:9 - overlay overlay rw,lowerdir=/a:/b - shared:1"])
each("stop_signal", ["SIGTERM", "term", "15", "0", "64", "65", "-1", "+9", "SIGRTMIN", "SIGRTMIN+3", "RTMAX-14",
                     "SIGRTMIN+31", "SIGRTMINPLUS3", "SIGRTMAXMINUS1", "SIGRTMAX+1", "SIG", "", "SIGSIGTERM",
                     "9 ", " 9", "9\0", "99999999999999999999"])
each("workload_annotation", [
    '{"cpushares": 100, "cpuset": "0-1"}', '{"cpulimit": "500"}', '{"cpulimit": 500}', '{"cpuquota": -1}',
    '{"cpuquota": 1e400}', '{"cpuperiod": 1099511627776}', '{"cpushares": 1.5}', '{"cpuset": null}', "[]", "{", "null",
    '{"other": 1}', '{"cpushares": true}', '{"cpushares": NaN}', '{"cpuset": "\\ud800"}', '{"a":' * 120])
each("sysctl_name", ["net.ipv4.ip_forward", "net/ipv4/conf/eth0.100/forwarding", "net.ipv4.conf.eth0/100.forwarding",
                     "kernel.shmmax", "kernel.sem", "fs.mqueue.msg_max", "kernel.panic", "net.", "net", "net/../kernel/x",
                     "net...kernel.x", "net.ipv4/../..x", "kernel.shm/../x", "kernel/shm../x", "/net.x", "net//x", ""])
each("memory_limit", ["max", "max\n", "-1", "", "0", "4096", "4097", "67108864", "64M", "64m", "1k", "3T", "15E", "16E", "1e3", "64MB",
                      "64 M", "18446744073709551615", "18446744073709551616", "0x1000", "m", "+1", "9007199254740993k"])
each("selinux_level", [
    "s0", "s0:c0,c1", "s0:c1,c0", "s0:c0.c1", "s0:c0,c1,c0", "s0:c00,c001", "s0:c4,c5", "s0:c0.c1023", "s0:c0,c1024", "s0-s0:c0.c1",
    "s0:", "s0:c", "s0:c0,", "s0:c0.", "s0:c1.c0", "s0:.c1", "s1:c0,c1", ":c0,c1", "s0:c0,c1:c2", "", b"s0:c0,c1\0", "s0:c-0,c1"])
each("sandbox_files", ["\n".join(lines) for lines in [
    ["default.svc.cluster.local", "10.96.0.10", "ndots:5", "web-0"], ["a b", "10.0.0.1", "x", "h"], ["", "", "", ""],
    ["x", "fd00::10%eth0", "edns0", "UPPER_case.9"], ["x\r", "y", "z", "h"], ["x", "y\tz", "o", "h"], ["x", "y", "o", "a=b"],
    ["x", "y", "o", "n" * 64], ["x", "y", "o", "n" * 65], ["x", "y", "o", "two\nlines"], ["\u00e4", "\0", "o", "\u00e4"]]])
each("cpu_list", ["0", "0-3", "0-3,5,7-9", "3-1", "0-", "-1", ",", "0,", "00-01", "4294967296", "0 - 1", "1-2-3", "",
                  "0-3,5\n0-7", "0-3\n2-3,0-1", "0-3\n0-1,3", "9,8\n0-7", "0-4294967295\n0-1", "0-4294967295\n0-4294967295",
                  "0,0,1-2\n0,,1", "5-4294967295\n4294967290-4294967295,0-4294967289"])
each("quantity", ["10M", "1.5Gi", "2e6", "500k", "0", "-1", "1E400", "1e-3", ".5", "5.", "", "M", "1MM", "1 M",
                  "9223372036854775807", "18446744073709551616", "0x10", "1Ei", "99999Ei", "1.0000000001u",
                  "nan", "inf", "1e", "1e+", "+1k", "1n"])

# --- server ---------------------------------------------------------------------------------------
each("blockio", [
    "Classes:\n  slow:\n  - Weight: 80\n  - Devices: [/dev/sd*]\n    ThrottleReadBps: 60M\n",
    "Classes: {a: [{Devices: [/a], ThrottleWriteIOPS: 1Ki}]}", "Classes: []", "Classes: {a: [1]}",
    "Classes: {a: [{Weight: 99999999999999999999}]}", "Classes: {a: [{ThrottleReadBps: 1}]}", "- x", ""])
each("yaml_json", [
    "a: 1\nb: 0660\nc: 0x1F\nd: -0o17\ne: 1.5e3\nf: 0.5\ng: .5\n", "a: yes\nb: true\nc: ~\nd:\ne: null\n",
    "a: '1'\nb: \"true\"\nc: !!str 5\n", "a: &x [1, 2]\nb: *x\n", "cdiVersion: 0.6.0\nkind: v/c\n", "a: \x00\n",
    "a: 99999999999999999999\nb: -9223372036854775808\nc: 1e999\n", "? [a]\n: b\n", "a: \u00e4\u2028\n", "{", "- 1\n"])
each("image_message", [dict(image_config, config=dict(image_config["config"], User=user)) for user in (
    "", "0", "00", "1000", "1000:0", "app", "app:staff", ":0", "-0", "+0", "-1", "1 ", "9223372036854775807", "9223372036854775808",
    "\u00e4", "a\0b", "0x0")] + [
        {"config": {"Env": ["\"\\\u2028\u0000\u001f"], "Cmd": ["</script>"], "Labels": {"": "", "a\"b": "\n"}, "Volumes": {"": {}}},
         "rootfs": {"diff_ids": []}}])
seed("image_message", "not_utf8", seeds["image_config/not_utf8"])
seed("image_message", "surrogate", seeds["image_config/surrogate"])
each("pull_auth", [
    "\n\ndXNlcjpwYXNz", "\nhttps://index.docker.io/v1/\ndXNlcjpwYXNzAAA=", "user\nregistry:5000/x\ndXNlcjpwYXNz", "\n\n",
    "\nhttp://https://x\ndTpwOnE=", "\n://\nOg==", "\n\ndXNlcg==", "\n\n*", "\n\ndXNlcjpwYXNz\n", "\n\nAAA6AAAA",
    b"\xff\n\xff\n\xff", "\nregistry-1.docker.io\n/+8=", "\nindex.docker.io\ndTpw=", "\n\nOnB3"])
each("registries_d", [
    "default-docker:\n  lookaside-staging: file:///staging\n", "", "docker:\n", "docker: {}\ndefault-docker: ~\n",
    "docker:\n  q.io/a:\n    sigstore: https://old\n    lookaside: https://new\n  r.io:\n"
    "    use-sigstore-attachments: false\n", "docker:\n  '':\n    lookaside: http://x\ndefault-docker:\n  lookaside: http://y\n",
    "docker:\n  q.io: {lookaside: ftp://x}\n", "docker:\n  q.io: {lookaside: [https://x]}\n", "docker: [a]\n",
    "docker:\n  q.io: {use-sigstore-attachments: yes}\n", "docker:\n  q.io: {a: b}\n", "dockre: {}\n", "default-docker: x\n",
    "docker: &a\n  x: &b {lookaside: 'file:///\\0'}\n  y: *b\n", "docker: {x: {}, x: {}}\n", "docker: {[a]: {}}\n",
    "docker:\n  x: {lookaside: \"https://\\x00\\n\"}\n", "- docker\n", "docker: {x: {lookaside: https://a,", "a: &a [*a]\n"])
each("config", [
    "root: /var/lib/crisp\nstate: /run/crisp\nlog:\n  level: debug\n",
    "runtimes:\n  default: runc\n  handlers:\n    runc:\n      path: /usr/bin/runc\n", "a: 1\na: 2\n",
    "a: &x [1, 2]\nb: *x\n", "---\na: 1\n---\nb: 2\n", "[1, 2]\n", "a:\n\t- b\n", "text\n", "? [a]\n: b\n",
    "timeouts:\n  shutdown: 10s\nmetrics:\n  address: 127.0.0.1:9090\n", "log: {level: loud}\n", "# nothing\n",
    "a: |\n  literal\n  text\nb: >-\n  folded\nc: 'it''s'\nd: \"\\x41\\u00e4\\0\"\n", "~: x\n", "a: ~\n", "a: !!int 1\n",
    "a: &a [*a]\n", "[1], 2\n", "a: 1\n---\n", "x: [" + "[" * 30 + "]" * 30 + "]\n",
    # Each line is nine times the one before.
    "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{n}: &{n} [" + ",".join(["*" + p] * 9) + "]\n" for p, n in zip("abcdefgh", "bcdefghi"))])
each("metrics_request", [
    "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD /metrics?x=y HTTP/1.0\r\n\r\n", "POST /metrics HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n", "GET /metrics\r\n\r\n", "\r\n\r\n", " \r\n\r\n", "  HTTP/1.\r\n\r\n",
    "GET  /metrics HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\1\0\r\n\r\n"])


# --- spdy -----------------------------------------------------------------------------------------
def control(kind, payload, flags=0, length=None, version=0x8003):
    return struct.pack(">HHI", version, kind, flags << 24 | (len(payload) if length is None else length)) + payload


def data_frame(stream, payload=b"", flags=0):
    return struct.pack(">II", stream, flags << 24 | len(payload)) + payload


def block(*headers):
    out = struct.pack(">I", len(headers))
    for name, value in headers:
        out += struct.pack(">I", len(name)) + name + struct.pack(">I", len(value)) + value
    return out


EMPTY = bytes.fromhex("78f9e3c6a7c202a6230600000000ffff")
EMPTY_LATER = bytes.fromhex("020100000000ffff")
ERROR = bytes.fromhex("78f9e3c6a7c202a62346703a2b294a4dcc851625aca9a08006000000ffff")


def syn(stream, compressed, flags=0):
    return control(1, struct.pack(">IIH", stream, 0, 0) + compressed, flags)


def stored(plain):
    """A block for any deflate context: one stored block and an empty one."""
    return b"\0" + struct.pack("<HH", len(plain), len(plain) ^ 0xffff) + plain + b"\0\0\0\xff\xff"


first = bytes.fromhex("78f9e3c6a7c2")
pair = first + stored(block((b"port", b"80"), (b"requestid", b"0"), (b"streamtype", b"error")))
seed("spdy", "exec", syn(1, ERROR) + syn(3, stored(block((b"streamType", b"stdin")))) +
     data_frame(3, b"hello\n") + data_frame(3, b"", 1) + control(6, struct.pack(">I", 1)) +
     control(3, struct.pack(">II", 1, 5)) + control(7, struct.pack(">II", 0, 0)))
seed("spdy", "forward", syn(1, pair, 1) + syn(3, stored(block((b"a", b"1\x002\0")))) + data_frame(3, b"GET /") +
     control(4, struct.pack(">III", 1, 0x01000004, 100)) + control(9, struct.pack(">II", 3, 100)) +
     control(8, struct.pack(">I", 3) + stored(block((b"b", b"2"))), 1) + data_frame(3, b"late"))
seed("spdy", "ids", syn(5, EMPTY) + syn(3, EMPTY_LATER) + syn(5, EMPTY_LATER) + syn(6, EMPTY_LATER) +
     syn(11, EMPTY_LATER, 2) + data_frame(5, b"gone"))
seed("spdy", "many", syn(1, EMPTY) + b"".join(syn(3 + 2 * i, EMPTY_LATER) for i in range(12)))
seed("spdy", "split_block", syn(1, EMPTY[:9]))
seed("spdy", "left_over", syn(1, first + stored(block() + b"x")))
seed("spdy", "bomb", syn(1, first + zlib.compress(b"\0" * 300000, 9)[2:-4]))
seed("spdy", "no_dictionary", syn(1, zlib.compress(block())))
seed("spdy", "twice_the_name", syn(1, first + stored(block((b"a", b"1"), (b"A", b"2")))))
seed("spdy", "count", syn(1, first + stored(struct.pack(">I", 0xffffffff))))
seed("spdy", "long_control", control(4, b"", length=0xffffff))
seed("spdy", "http", "GET / HTTP/1.1\r\n\r\n")
seed("spdy", "pings", control(6, struct.pack(">I", 1)) * 400)
each("spdy_headers", [
    block(), block((b"streamtype", b"error")), block((b"A", b""), (b"b", b"x\0y\0")), block((b"", b"x")),
    block((b"a", b"1"), (b"a", b"2")), block((b"a", b"1")) + b"x", struct.pack(">I", 2) + block()[4:],
    struct.pack(">II", 1, 0xfffffffc), block(*[(b"h%d" % i, b"v") for i in range(101)])])
each("forward_stream", [
    block((b"port", b"80"), (b"requestid", b"0"), (b"streamtype", b"error")), block((b"port", b"65535"), (b"streamtype", b"data")),
    block((b"Port", b"8080"), (b"streamType", b"data"), (b"requestID", b"")), block((b"port", b"0"), (b"streamtype", b"data")),
    block((b"port", b"65536"), (b"streamtype", b"error")), block((b"port", b"+80"), (b"streamtype", b"error")),
    block((b"port", b"80 "), (b"streamtype", b"data")), block((b"port", b"00080"), (b"streamtype", b"data")),
    block((b"port", b"80"), (b"streamtype", b"stdin")), block((b"port", b"80\x0081"), (b"streamtype", b"data\0error")),
    block((b"port", b"80"), (b"streamtype", b"error"), (b"requestid", b"\xff\r\n" * 40)), block((b"streamtype", b"data"))])
each("spdy_session", [
    bytes([0, 1, 4, 1, 10, 1, 11, 1]), bytes([14, 0x81, 10, 0x81, 18, 1]), bytes([14, 0, 14, 0, 18, 0x81, 24, 0x83]),
    bytes([0, 0, 2, 1, 2, 1, 4, 1, 6, 1, 7, 1, 8, 0x81, 12, 0, 13, 0, 0, 0]), bytes([0, 0] * 20),
    bytes([14, 0, 24, 1, 24, 0x81, 11, 1, 18, 1, 18, 0x81, 4, 1]), bytes([9, 0]) + EMPTY, bytes([3, 1]) + block(),
    bytes(range(256))])


# --- streaming ------------------------------------------------------------------------------------
def ws(opcode, payload=b"", fin=True, mask=b"\1\2\3\4", masked=True, length=None):
    size = len(payload) if length is None else length
    head = bytes([opcode | (0x80 if fin else 0)])
    bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 1 << 16:
        head += struct.pack(">BH", bit | 126, size)
    else:
        head += struct.pack(">BQ", bit | 127, size)
    if masked:
        head += mask
    return head + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def upgrade(path, *headers, line="GET %s HTTP/1.1", end=b"\r\n"):
    return (line % path).encode() + end + b"".join(h.encode() + end for h in headers) + end


TOKEN = "/exec/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
SPDY = ("Connection: Upgrade", "Upgrade: SPDY/3.1")
WEBSOCKET = ("Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
seed("upgrade_request", "spdy", upgrade(TOKEN, "Host: 127.0.0.1:1", *SPDY,
     "X-Stream-Protocol-Version: v4.channel.k8s.io", "X-Stream-Protocol-Version: v3.channel.k8s.io",
     line="POST %s HTTP/1.1") + b"\x80\x03\0\1")
seed("upgrade_request", "websocket", upgrade(TOKEN + "?x=1", "Host: localhost", *WEBSOCKET,
     "Sec-WebSocket-Protocol: v5.channel.k8s.io, v4.channel.k8s.io, base64.channel.k8s.io"))
seed("upgrade_request", "tunnel", upgrade("/portforward/x", "Host: localhost", *WEBSOCKET,
     "Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io"))
seed("upgrade_request", "no_upgrade", upgrade("/attach/", "Host: a", line="DELETE %s HTTP/1.1"))
seed("upgrade_request", "old", upgrade(TOKEN, *SPDY, line="GET %s HTTP/1.0"))
seed("upgrade_request", "bare_lf", upgrade(TOKEN, "Host: a", *SPDY, end=b"\n"))
seed("upgrade_request", "folded", upgrade(TOKEN, "Host: a", "X: 1", " folded", *SPDY))
seed("upgrade_request", "bomb", upgrade(TOKEN, *("X-%d: y" % i for i in range(300))))
seed("upgrade_request", "body", upgrade(TOKEN, "Content-Length: 99999999999999999999", *SPDY))
seed("upgrade_request", "smuggled", upgrade(TOKEN, "Transfer-Encoding: chunked", "Content-Length: 3", *SPDY) + b"0")
seed("upgrade_request", "split", upgrade(TOKEN, *WEBSOCKET, "Sec-WebSocket-Protocol: v4.channel.k8s.io\rX: y"))
seed("upgrade_request", "not_http", b"\x16\x03\x01\x02\0\1\0")

seed("websocket", "stdin", ws(2, b"\0hello") + ws(2, b"\4{\"Width\":80,\"Height\":24}") + ws(2, b"\xff\0") +
     ws(8, b"\x03\xe8"))
seed("websocket", "fragments", ws(2, b"\0one ", fin=False) + ws(9, b"ping") + ws(0, b"two ", fin=False) +
     ws(0, b"", fin=False) + ws(0, b"three"))
seed("websocket", "text", ws(1, b"0aGVsbG8=") + ws(1, b"") + ws(10, b"pong") + ws(8))
seed("websocket", "long", ws(2, b"x" * 200) + ws(2, b"y" * 126))
seed("websocket", "huge", ws(2, b"x", length=2**40))
seed("websocket", "top_bit", ws(2, b"x", length=2**63))
seed("websocket", "unmasked", ws(2, b"x", masked=False))
each("message_channel", [b"\0hello", b"4eyJXaWR0aCI6ODAsIkhlaWdodCI6MjR9", b"0aGVsbG8=", b"0aGVs=bG8", b"0****",
                         b"\xff\0", b"\xff", b"\xff\1\2\3", b"", b"\3", b"/", b"0YQ", b"\x80\0\0"])
seed("websocket", "reserved", bytes([0xc2, 0x81]) + b"\1\2\3\4x")
seed("websocket", "mixed", ws(2, b"a", fin=False) + ws(2, b"b"))
seed("websocket", "long_ping", ws(9, b"p" * 126))
seed("websocket", "close_1", ws(8, b"x"))
each("base64", ["aGVsbG8=", "aGVsbG8", "aA==", "aA=", "aA===", "=", "aGVs\nbG8=", "a-_b", "+/+/", "aA==aA==", "a"])
each("resize", [
    '{"Width":80,"Height":24}', '{"Width":80,"Height":24}\n{"Width":132,"Height":43}{"Width":0,"Height":1}',
    ' { "Height" : 1 , "x" : [ {"a":"]\\""} , 2 ] , "Width" : 65535 } ', '{"Width":65536,"Height":1}', "{}",
    '{"Width":-1}', '{"Width":"80"}', "[", "x", '{"Width":80', '{"Width":1.5,"Height":2}', '{"a":' + "[" * 2000])


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "corpus"
    for name, content in sorted(seeds.items()):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    print(f"{len(seeds)} seeds, {sum(map(len, seeds.values()))} bytes in {root}")


if __name__ == "__main__":
    main()
