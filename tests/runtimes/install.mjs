// The browsers, the emulator and its C libraries come from Debian; everything else from npm. Installs what is missing.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";

const PACKAGES = {
  chromium: "/usr/bin/chromium",
  "firefox-esr": "/usr/bin/firefox-esr",
  "webkit2gtk-driver": "/usr/bin/WebKitWebDriver",
  xvfb: "/usr/bin/Xvfb",
  "qemu-user": "/usr/bin/qemu-aarch64",
  "libc6-arm64-cross": "/usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1",
  "libstdc++6-arm64-cross": "/usr/aarch64-linux-gnu/lib/libstdc++.so.6",
  "libatomic1-arm64-cross": "/usr/aarch64-linux-gnu/lib/libatomic.so.1",
};

const missing = Object.keys(PACKAGES).filter((name) => !existsSync(PACKAGES[name]));
if (missing.length > 0) {
  const apt = (...args) => {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    execFileSync("apt-get", args, { stdio: "inherit", env });
  };
  apt("update");
  apt("install", "--yes", "--no-install-recommends", ...missing);
}
